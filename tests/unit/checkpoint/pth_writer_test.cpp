// Tests of writing files for torch.load: read back here and by torch.
#include <array>
#include <cstring>
#include <vector>

#include <gmock/gmock.h>

#include "strata/abi/core.h"

#include "checkpoint/pth.hpp"
#include "program.hpp"
#include "temp_dir.hpp"

namespace strata::checkpoint {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// Prints of each tensor its name, type, shape, strides and values, and what zipfile finds wrong.
constexpr const char* kPrint = R"(
import sys, zipfile, torch
for mmap in (False, True):
    loaded = torch.load(sys.argv[1], weights_only=True, mmap=mmap)
    print(type(loaded).__name__)
    for name, t in loaded.items():
        print(name, t.dtype, tuple(t.shape), t.stride(), t.flatten().tolist())
        assert t.data_ptr() % 64 == 0 or t.numel() == 0 or not mmap, t.data_ptr()
print("bad:", zipfile.ZipFile(sys.argv[1]).testzip())
)";

class PthWriterTest : public TempDirTest {
 protected:
  [[nodiscard]] std::string refusal(const std::vector<TensorSource>& tensors) const {
    const Error e = error_of([&] { write_pth(dir_ / "out.pth", tensors); });
    EXPECT_EQ(e.code(), STRATA_E_ARGUMENT);
    EXPECT_TRUE(std::filesystem::is_empty(dir_));
    return e.message();
  }

  const std::array<float, 6> floats_ = {0, 1, 2, 3, 4, 5.5F};
  const std::array<uint8_t, 80> bytes_ = {1, 0, 1};
};

TEST_F(PthWriterTest, WritesWhatTorchLoads) {
  if (std::string(STRATA_TEST_PYTHON).empty()) {
    GTEST_SKIP() << "no Python with torch beside LibTorch";
  }
  const auto pieces = [&](const Put& put) {
    put(std::as_bytes(std::span(floats_).first(2)));
    put(std::as_bytes(std::span(floats_).last(4)));
  };
  write_pth(dir_ / "out.pth",
            std::vector<TensorSource>{{"a.w", STRATA_F32, {2, 3}, nullptr, pieces},
                                      {"b\u00e9", STRATA_BOOL, {3}, bytes_.data(), {}},
                                      {"steps", STRATA_I64, {}, "\x05\0\0\0\0\0\0\0", {}},
                                      {"none", STRATA_F64, {0, 4}, nullptr, {}},
                                      {"half", STRATA_BF16, {2}, "\x80\x3f\0\x40", {}},
                                      {"f16", STRATA_F16, {1}, "\0\x3c", {}},
                                      {"i32", STRATA_I32, {1}, "\1\0\0\0", {}},
                                      {"i8", STRATA_I8, {1}, "\xff", {}},
                                      {"long", STRATA_U8, {80}, bytes_.data(), {}}});

  const test::Outcome outcome = test::run(
      {{STRATA_TEST_PYTHON, "-c", kPrint, (dir_ / "out.pth").string()}, {}, dir_.string(), {}});

  EXPECT_EQ(outcome.code, 0) << outcome.err;
  const std::string once =
      "OrderedDict\n"
      "a.w torch.float32 (2, 3) (3, 1) [0.0, 1.0, 2.0, 3.0, 4.0, 5.5]\n"
      "b\u00e9 torch.bool (3,) (1,) [True, False, True]\n"
      "steps torch.int64 () () [5]\n"
      "none torch.float64 (0, 4) (4, 1) []\n"
      "half torch.bfloat16 (2,) (1,) [1.0, 2.0]\n"
      "f16 torch.float16 (1,) (1,) [1.0]\n"
      "i32 torch.int32 (1,) (1,) [1]\n"
      "i8 torch.int8 (1,) (1,) [-1]\n"
      "long torch.uint8 (80,) (1,) [1, 0, 1, 0,";
  EXPECT_THAT(outcome.out, HasSubstr(once));
  EXPECT_THAT(outcome.out.substr(once.size()), HasSubstr(once));
  EXPECT_THAT(outcome.out, HasSubstr("bad: None"));
}

TEST_F(PthWriterTest, IsReadBack) {
  write_pth(dir_ / "out.pth",
            std::vector<TensorSource>{{"w", STRATA_F32, {2, 3}, floats_.data(), {}}});

  const auto file = open_tensors(dir_ / "out.pth");

  ASSERT_EQ(file->tensors().size(), 1U);
  EXPECT_THAT(file->tensors()[0].shape, ElementsAre(2, 3));
  std::array<float, 6> out{};
  file->read(0, 0, 6, out.data());
  EXPECT_EQ(out, floats_);
}

TEST_F(PthWriterTest, RefusesWhatTorchCannotHold) {
  EXPECT_THAT(
      refusal({{"a", STRATA_U8, {3}, bytes_.data(), {}}, {"a", STRATA_U8, {3}, bytes_.data(), {}}}),
      HasSubstr("\"a\" twice"));
  EXPECT_THAT(refusal({{"\xff", STRATA_U8, {3}, bytes_.data(), {}}}), HasSubstr("not UTF-8"));
  EXPECT_THAT(refusal({{"a", 99, {3}, bytes_.data(), {}}}), HasSubstr("the type 99"));
  EXPECT_THAT(refusal({{"a", STRATA_U8, {-1}, bytes_.data(), {}}}), HasSubstr("negative"));
  EXPECT_THAT(refusal({{"a", STRATA_U8, {3}, nullptr, {}}}), HasSubstr("neither data nor a fill"));
  EXPECT_THAT(refusal({{"a", STRATA_U8, {3}, nullptr, [](const Put&) {}}}),
              HasSubstr("was given 0 bytes"));
}

}  // namespace
}  // namespace strata::checkpoint
