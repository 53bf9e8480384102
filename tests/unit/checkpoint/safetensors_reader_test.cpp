// Tests of reading safetensors: a file that another program wrote, and files that lie.
#include <cstring>

#include <gmock/gmock.h>

#include "strata/abi/core.h"

#include "checkpoint/safetensors.hpp"
#include "temp_dir.hpp"

namespace strata::checkpoint {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

const std::filesystem::path kGoldenFile =
    std::filesystem::path(STRATA_SOURCE_DIR) / "tests/unit/checkpoint/golden.safetensors";

class SafetensorsReader : public TempDirTest {
 protected:
  static std::string with_length(uint64_t length, const std::string& rest) {
    return std::string(reinterpret_cast<const char*>(&length), sizeof(length)) + rest;
  }

  /// What the reader says about a file with this header and `data` bytes after it.
  [[nodiscard]] std::string refusal(const std::string& header, size_t data = 0) const {
    const auto path =
        write("bad.safetensors", with_length(header.size(), header + std::string(data, 'x')));
    const Error e = error_of([&] { const SafetensorsFile file(path); });
    EXPECT_EQ(e.code(), STRATA_E_FAILED);
    EXPECT_THAT(e.message(), HasSubstr(path.string()));
    return e.message();
  }
};

TEST_F(SafetensorsReader, ReadsWhatAnotherProgramWrote) {
  const SafetensorsFile file(kGoldenFile);

  ASSERT_EQ(file.tensors().size(), 5U);
  const TensorInfo* weight = file.find("weight");
  ASSERT_NE(weight, nullptr);
  EXPECT_EQ(weight->dtype, STRATA_F32);
  EXPECT_THAT(weight->shape, ElementsAre(2, 3));
  float values[6];
  std::memcpy(values, file.data(*weight).data(), sizeof(values));
  EXPECT_THAT(values, ElementsAre(0.5F, -1.0F, 2.0F, 3.0F, 4.0F, 5.0F));
  EXPECT_EQ(file.metadata().at("format"), "pt");
}

TEST_F(SafetensorsReader, ReadsScalarsEmptyTensorsAndEscapedNames) {
  const SafetensorsFile file(kGoldenFile);

  int64_t steps = 0;
  std::memcpy(&steps, file.data(*file.find("steps")).data(), sizeof(steps));
  EXPECT_EQ(steps, -7);
  EXPECT_THAT(file.find("steps")->shape, ElementsAre());
  EXPECT_EQ(file.find("empty")->bytes(), 0U);
  EXPECT_EQ(file.data(*file.find("na\"me\\with\u00e9"))[2], std::byte{3});
  EXPECT_EQ(file.find("absent"), nullptr);
}

TEST_F(SafetensorsReader, MovesWithItsMapping) {
  SafetensorsFile first(kGoldenFile);
  const std::byte* const before = first.data(*first.find("half")).data();

  const SafetensorsFile second(std::move(first));

  EXPECT_EQ(second.data(*second.find("half")).data(), before);
}

TEST_F(SafetensorsReader, NamesAFileThatIsNotThere) {
  const Error e = error_of([&] { const SafetensorsFile file(dir_ / "none"); });

  EXPECT_EQ(e.code(), STRATA_E_IO);
  EXPECT_THAT(e.message(), AllOf(HasSubstr((dir_ / "none").string()), HasSubstr("No such file")));
}

TEST_F(SafetensorsReader, RefusesAHeaderLargerThanTheFormatAllows) {
  const auto path = write("a", with_length(uint64_t{1} << 60, "{}"));

  const Error e = error_of([&] { const SafetensorsFile file(path); });

  EXPECT_EQ(e.code(), STRATA_E_FAILED);
  EXPECT_THAT(e.message(), HasSubstr("claims a header of 1152921504606846976 bytes"));
}

TEST_F(SafetensorsReader, RefusesAHeaderLargerThanTheFile) {
  const auto path = write("a", with_length(3, "{}"));

  EXPECT_THAT(error_of([&] { const SafetensorsFile file(path); }).message(),
              HasSubstr("only 10; it may be cut short"));
}

TEST_F(SafetensorsReader, RefusesAnEmptyFile) {
  const auto path = write("a", "");

  EXPECT_THAT(error_of([&] { const SafetensorsFile file(path); }).message(),
              HasSubstr("it has 0 bytes"));
}

TEST_F(SafetensorsReader, RefusesATruncatedFileAndNamesTheTensor) {
  const std::string whole = read(kGoldenFile);
  const auto path = write("cut", whole.substr(0, whole.size() - 1));

  EXPECT_THAT(error_of([&] { const SafetensorsFile file(path); }).message(),
              HasSubstr("empty lies at bytes 39 to 39 of 38; the file may be cut short"));
}

TEST_F(SafetensorsReader, RefusesHeadersThatAreNotJson) {
  EXPECT_THAT(refusal("{\"a\": "), HasSubstr("not JSON"));
  EXPECT_THAT(refusal("[1, 2]  "), HasSubstr("does not begin with {"));
  EXPECT_THAT(refusal("{\"a\":" + std::string(1000, '[')), HasSubstr("nested deeper"));
}

TEST_F(SafetensorsReader, RefusesANameThatComesTwice) {
  const std::string entry = R"({"dtype":"U8","shape":[1],"data_offsets":[0,1]})";

  EXPECT_THAT(refusal("{\"a\":" + entry + ",\"a\":" + entry + "}", 1),
              HasSubstr("\"a\" comes twice"));
}

TEST_F(SafetensorsReader, RefusesTensorsThatContradictThemselves) {
  EXPECT_THAT(refusal(R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", 4),
              HasSubstr("w has 4 bytes, its dtype and shape need 8"));
  EXPECT_THAT(refusal(R"({"w":{"dtype":"U8","shape":[4],"data_offsets":[4,0]}})", 4),
              HasSubstr("bytes 4 to 0 of 4"));
  EXPECT_THAT(refusal(R"({"w":{"dtype":"U8","shape":[-1],"data_offsets":[0,1]}})", 1),
              HasSubstr("has -1 in it"));
  EXPECT_THAT(refusal(R"({"w":{"dtype":"U7","shape":[1],"data_offsets":[0,1]}})", 1),
              HasSubstr("\"U7\" of w"));
  EXPECT_THAT(refusal(R"({"w":{"dtype":"U8","shape":[1]}})", 1), HasSubstr("entry of w"));
}

TEST_F(SafetensorsReader, RefusesAShapeWhoseProductOverflows) {
  // 2^32 * 2^32 * 4 bytes is 2^66, which is 0 in 64 bits.
  EXPECT_THAT(
      refusal(R"({"w":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}})"),
      HasSubstr("more elements than memory"));
}

TEST_F(SafetensorsReader, RefusesGapsOverlapsAndRemains) {
  const std::string a = R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},)";

  EXPECT_THAT(refusal(a + R"("b":{"dtype":"U8","shape":[1],"data_offsets":[3,4]}})", 4),
              HasSubstr("b begins at byte 3"));
  EXPECT_THAT(refusal(a + R"("b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})", 3),
              HasSubstr("b begins at byte 1"));
  EXPECT_THAT(refusal(a + R"("b":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}})", 4),
              HasSubstr("end at byte 3 of 4"));
}

}  // namespace
}  // namespace strata::checkpoint
