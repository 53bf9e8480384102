// Tests of zip archives: what is written is read, also beyond 32 bits, and archives that lie are not.
#include <algorithm>

#include <gmock/gmock.h>

#include "checkpoint/file_out.hpp"
#include "checkpoint/zip_reader.hpp"
#include "checkpoint/zip_writer.hpp"
#include "temp_dir.hpp"

namespace strata::checkpoint {
namespace {

using testing::HasSubstr;

const Refuse kRefuse = [](const std::string& why) { throw Error(STRATA_E_FAILED, why); };

class ZipTest : public TempDirTest {
 protected:
  /// An archive of "one" (abc) and "two" (defg).
  [[nodiscard]] std::string small() const {
    const std::vector<ZipMember> members = {{"one", 3}, {"two", 4}};
    FileOut out(dir_ / "small.zip", zip_bytes(members));
    ZipOut zip([&](std::span<const std::byte> piece) { out.write(piece); });
    for (const auto& [member, text] :
         {std::pair(members[0], "abc"), std::pair(members[1], "defg")}) {
      zip.begin(member);
      zip.write(std::as_bytes(std::span(text, member.bytes)));
      zip.end();
    }
    zip.finish();
    EXPECT_EQ(out.written(), zip_bytes(members));
    out.commit();
    return read(dir_ / "small.zip");
  }

  static std::string refusal(const std::string& archive) {
    const Error e = error_of([&] { read_zip(std::as_bytes(std::span(archive)), kRefuse); });
    EXPECT_EQ(e.code(), STRATA_E_FAILED);
    return e.message();
  }

  /// `archive` with other text in the place of what comes last.
  static std::string with(std::string archive,
                          const std::string& old,
                          const std::string& replacement) {
    const size_t at = archive.rfind(old);
    EXPECT_NE(at, std::string::npos);
    return archive.replace(at, replacement.size(), replacement);
  }

  static std::string text_of(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
};

TEST_F(ZipTest, IsReadBackWithAlignedMembers) {
  const std::string archive = small();

  const ZipFiles files = read_zip(std::as_bytes(std::span(archive)), kRefuse);

  ASSERT_EQ(files.size(), 2U);
  EXPECT_EQ(text_of(files.at("one").bytes), "abc");
  EXPECT_EQ(text_of(files.at("two").bytes), "defg");
  for (const auto& [name, file] : files) {
    EXPECT_EQ((reinterpret_cast<const char*>(file.bytes.data()) - archive.data()) % 64, 0) << name;
  }
}

TEST_F(ZipTest, IsReadBackBehindAComment) {
  std::string archive = small();
  archive[archive.size() - 2] = 5;
  archive += "hello";

  EXPECT_EQ(read_zip(std::as_bytes(std::span(archive)), kRefuse).size(), 2U);
}

TEST_F(ZipTest, TellsWhichMembersAreStoredAsTheyAre) {
  std::string archive = small();
  archive[archive.rfind("PK\x01\x02") + 10] = 8;  // the method of "two"

  const ZipFiles files = read_zip(std::as_bytes(std::span(archive)), kRefuse);

  EXPECT_TRUE(files.at("one").stored);
  EXPECT_FALSE(files.at("two").stored);
}

TEST_F(ZipTest, RefusesArchivesThatContradictThemselves) {
  const std::string archive = small();
  const std::string entry = "PK\x01\x02";
  const size_t two = archive.rfind(entry);
  const auto changed = [&](size_t at, const std::string& bytes) {
    std::string out = archive;
    return out.replace(at, bytes.size(), bytes);
  };

  EXPECT_THAT(refusal(""), HasSubstr("no directory at its end"));
  EXPECT_THAT(refusal(archive.substr(0, archive.size() - 30)),
              HasSubstr("no directory at its end"));
  EXPECT_THAT(refusal(changed(two, "XX")), HasSubstr("its directory is damaged"));
  EXPECT_THAT(refusal(changed(two + 20, "\x05")),
              HasSubstr("the sizes of two contradict each other"));
  EXPECT_THAT(refusal(changed(two + 20, std::string("\0\0\0\x10\0\0\0\x10", 8))),
              HasSubstr("two has 268435456 bytes"));
  EXPECT_THAT(refusal(changed(two + 42, std::string("\1\0\0\0", 4))),
              HasSubstr("two is not where"));
  EXPECT_THAT(refusal(changed(two + 42, std::string("\0\0\0\0", 4))),
              HasSubstr("two has another name where"));
  EXPECT_THAT(refusal(changed(two + 46, "one")), HasSubstr("one has another name where"));
  EXPECT_THAT(refusal(changed(two + 28, "\xff\xff")), HasSubstr("more bytes are needed"));
  const size_t end64 = archive.rfind(std::string("PK\x06\x06"));
  EXPECT_THAT(refusal(changed(end64 + 24, std::string("\xff\xff\xff\xff\xff\xff\xff\xff"))),
              HasSubstr("4 more bytes are needed"));
  EXPECT_THAT(refusal(changed(end64 + 40, std::string("\xff\xff\xff\xff\xff\xff\xff\xff"))),
              HasSubstr("does not lie in it"));
  const size_t locator = archive.rfind(std::string("PK\x06\x07"));
  EXPECT_THAT(refusal(changed(locator + 8, std::string("\xff\xff\xff\xff\xff\xff\xff\xff"))),
              HasSubstr("64-bit end record"));
}

}  // namespace
}  // namespace strata::checkpoint
