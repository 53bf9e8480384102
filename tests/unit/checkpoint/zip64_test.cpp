// An archive with a member and a place that need more than 32 bits.
#include <algorithm>
#include <unistd.h>

#include <gmock/gmock.h>

#include "checkpoint/mapped_file.hpp"
#include "checkpoint/zip_reader.hpp"
#include "checkpoint/zip_writer.hpp"
#include "temp_dir.hpp"

namespace strata::checkpoint {
namespace {

// The file of the test is sparse: what is zero is skipped.
TEST(Zip64, HoldsMembersAndPlacesBeyond32Bits) {
  constexpr uint64_t kLarge = (uint64_t{1} << 32) + 100;
  const std::vector<ZipMember> members = {{"large", kLarge}, {"after", 3}};
  const std::vector<std::byte> zeros(1 << 20);
  const auto path = std::filesystem::temp_directory_path() / text("strata_zip64_", ::getpid());
  std::ofstream out(path, std::ios::binary);
  ZipOut zip([&](std::span<const std::byte> piece) {
    const auto size = static_cast<std::streamoff>(piece.size());
    if (piece.data() == zeros.data()) {
      out.seekp(size, std::ios::cur);
    } else {
      out.write(reinterpret_cast<const char*>(piece.data()), size);
    }
  });

  zip.begin(members[0]);
  for (uint64_t left = kLarge; left > 0; left -= std::min<uint64_t>(left, zeros.size())) {
    zip.write(std::span(zeros).first(std::min<uint64_t>(left, zeros.size())));
  }
  zip.end();
  zip.begin(members[1]);
  zip.write(std::as_bytes(std::span("xyz", 3)));
  zip.end();
  zip.finish();
  out.close();

  const MappedFile file(path);
  std::filesystem::remove(path);
  EXPECT_EQ(file.bytes().size(), zip_bytes(members));
  const ZipFiles files =
      read_zip(file.bytes(), [](const std::string& why) { throw Error(STRATA_E_FAILED, why); });
  EXPECT_EQ(files.at("large").bytes.size(), kLarge);
  EXPECT_EQ(files.at("after").bytes[1], std::byte{'y'});
}

}  // namespace
}  // namespace strata::checkpoint
