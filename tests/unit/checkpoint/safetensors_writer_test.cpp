// Tests of writing safetensors: the bytes, what is refused, and that nothing half-written stays.
#include <array>
#include <cstring>
#include <vector>

#include <gmock/gmock.h>

#include "strata/abi/core.h"

#include "checkpoint/safetensors.hpp"
#include "temp_dir.hpp"

namespace strata::checkpoint {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class SafetensorsWriter : public TempDirTest {
 protected:
  /// The refusal of one tensor; no file may be left.
  [[nodiscard]] std::string refusal(const std::vector<TensorSource>& tensors) const {
    const Error e = error_of([&] { write_safetensors(dir_ / "out", tensors); });
    EXPECT_EQ(e.code(), STRATA_E_ARGUMENT);
    EXPECT_TRUE(std::filesystem::is_empty(dir_));
    return e.message();
  }

  const std::array<float, 2> floats_ = {1.5F, -2.0F};
  const std::array<uint8_t, 3> bytes_ = {1, 2, 3};
};

TEST_F(SafetensorsWriter, WritesLengthPaddedHeaderAndBytesInOrder) {
  write_safetensors(dir_ / "out",
                    std::vector<TensorSource>{{"b", STRATA_U8, {3}, bytes_.data()},
                                              {"a", STRATA_F32, {2, 1}, floats_.data()}});

  const std::string file = read(dir_ / "out");
  uint64_t length = 0;
  std::memcpy(&length, file.data(), sizeof(length));
  EXPECT_EQ(length % 8, 0U);
  const std::string header = R"({"b":{"data_offsets":[0,3],"dtype":"U8","shape":[3]},)"
                             R"("a":{"data_offsets":[3,11],"dtype":"F32","shape":[2,1]}})";
  EXPECT_EQ(file.substr(8, header.size()), header);
  EXPECT_EQ(file.substr(8 + length, 3), "\x01\x02\x03");
  EXPECT_EQ(file.size(), 8 + length + 11);
}

TEST_F(SafetensorsWriter, IsReadBackWithEveryTypeAndMetadata) {
  const std::array<int32_t, 9> types = {STRATA_F64,
                                        STRATA_F32,
                                        STRATA_F16,
                                        STRATA_BF16,
                                        STRATA_I64,
                                        STRATA_I32,
                                        STRATA_I8,
                                        STRATA_U8,
                                        STRATA_BOOL};
  const std::array<double, 2> data = {1, 2};
  std::vector<TensorSource> tensors;
  tensors.reserve(types.size());
  for (const int32_t type : types) {
    tensors.push_back({"t" + std::to_string(type), type, {2}, data.data()});
  }

  write_safetensors(dir_ / "out", tensors, {{"format", "pt"}});
  const SafetensorsFile file(dir_ / "out");

  ASSERT_EQ(file.tensors().size(), types.size());
  for (size_t i = 0; i < types.size(); ++i) {
    EXPECT_EQ(file.tensors()[i].dtype, types[i]);
  }
  EXPECT_EQ(file.metadata(), (Metadata{{"format", "pt"}}));
}

TEST_F(SafetensorsWriter, KeepsNamesThatNeedEscapes) {
  const std::string name = "a\"b\\c\n\u00e9/d";
  write_safetensors(dir_ / "out", std::vector<TensorSource>{{name, STRATA_U8, {3}, bytes_.data()}});

  const SafetensorsFile file(dir_ / "out");

  ASSERT_NE(file.find(name), nullptr);
  EXPECT_EQ(file.data(*file.find(name))[2], std::byte{3});
}

TEST_F(SafetensorsWriter, TakesATensorPieceByPiece) {
  TensorSource tensor{"w", STRATA_U8, {3}};
  tensor.fill = [&](const Put& put) {
    const auto all = std::as_bytes(std::span(bytes_));
    put(all.first(1));
    put(all.subspan(1));
  };

  write_safetensors(dir_ / "out", std::span(&tensor, 1));
  const SafetensorsFile file(dir_ / "out");

  EXPECT_THAT(file.data(*file.find("w")), ElementsAre(std::byte{1}, std::byte{2}, std::byte{3}));
}

TEST_F(SafetensorsWriter, WritesAFileWithoutTensors) {
  write_safetensors(dir_ / "out", {});

  EXPECT_THAT(SafetensorsFile(dir_ / "out").tensors(), IsEmpty());
}

TEST_F(SafetensorsWriter, RefusesAFillOfTheWrongSizeAndLeavesNothing) {
  TensorSource tensor{"w", STRATA_F32, {2}};
  tensor.fill = [&](const Put& put) { put(std::as_bytes(std::span(bytes_))); };

  EXPECT_THAT(refusal({tensor}), AllOf(HasSubstr("\"w\" was given 3 bytes"), HasSubstr("need 8")));
}

TEST_F(SafetensorsWriter, RefusesNamesTheFormatCannotHold) {
  const TensorSource tensor{"w", STRATA_U8, {3}, bytes_.data()};

  EXPECT_THAT(refusal({tensor, tensor}), HasSubstr("\"w\" twice"));
  EXPECT_THAT(refusal({{"__metadata__", STRATA_U8, {3}, bytes_.data()}}),
              HasSubstr("the format's own"));
  EXPECT_THAT(refusal({{"\xff", STRATA_U8, {3}, bytes_.data()}}), HasSubstr("not UTF-8"));
}

TEST_F(SafetensorsWriter, RefusesTypesAndShapesTheFormatCannotHold) {
  EXPECT_THAT(refusal({{"w", 99, {3}, bytes_.data()}}), HasSubstr("the type 99 of \"w\""));
  EXPECT_THAT(refusal({{"w", STRATA_U8, {-3}, bytes_.data()}}), HasSubstr("shape of \"w\""));
  EXPECT_THAT(refusal({{"w", STRATA_U8, {INT64_MAX, 4}, bytes_.data()}}),
              HasSubstr("shape of \"w\""));
}

TEST_F(SafetensorsWriter, LeavesTheOldFileWhenANewOneFails) {
  write_safetensors(dir_ / "out",
                    std::vector<TensorSource>{{"old", STRATA_U8, {3}, bytes_.data()}});
  TensorSource tensor{"new", STRATA_U8, {3}};
  tensor.fill = [](const Put&) { throw run_error("gathering failed"); };

  const Error e = error_of([&] { write_safetensors(dir_ / "out", std::span(&tensor, 1)); });

  EXPECT_EQ(e.message(), "gathering failed");
  EXPECT_NE(SafetensorsFile(dir_ / "out").find("old"), nullptr);
}

}  // namespace
}  // namespace strata::checkpoint
