// Stacking of samples.
#include "data/collate.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "strata/cpp/error.hpp"

#include "support/sample_host.hpp"

namespace strata::data {
namespace {

using strata::test::code_of;
using strata::test::error_of;
using testing::AllOf;
using testing::HasSubstr;

constexpr std::array<int64_t, 1> kSixteen = {
    16};  // of f32: 64 bytes, so that every place in a stack is aligned

void fill(const strata_array& array, float value) {
  std::fill_n(static_cast<float*>(array.data), byte_size(array) / sizeof(float), value);
}

TEST(BatchAssembler, StacksFieldsInTheOrderOfTheSamples) {
  BatchAssembler assembler(2);
  SampleFields sample;

  for (int64_t i = 0; i < 2; ++i) {
    assembler.prepare(i, sample);
    fill(sample.make("img", STRATA_F32, kSixteen), static_cast<float>(i));
    *static_cast<int64_t*>(sample.make("label", STRATA_I64, {}).data) = 10 + i;
    assembler.take(i, i, sample);
  }
  const Batch batch = assembler.finish(1);

  ASSERT_EQ(batch.fields.size(), 2U);
  EXPECT_EQ(batch.fields[0].name, "img");
  EXPECT_EQ(batch.fields[0].tensor.sizes(), (at::IntArrayRef{2, 16}));
  EXPECT_EQ(batch.fields[0].tensor.const_data_ptr<float>()[16], 1.0F);
  EXPECT_EQ(batch.fields[1].name, "label");
  EXPECT_EQ(batch.fields[1].tensor.sizes(), (at::IntArrayRef{2}));
  EXPECT_EQ(batch.fields[1].tensor.const_data_ptr<int64_t>()[1], 11);
  EXPECT_EQ(batch.size, 2);
  EXPECT_EQ(batch.valid, 1);
}

TEST(BatchAssembler, LetsTheLastMakeOfAFieldWriteIntoTheBatch) {
  BatchAssembler assembler(2);
  SampleFields sample;
  std::array<void*, 2> written{};

  for (int64_t i = 0; i < 2; ++i) {
    assembler.prepare(i, sample);
    sample.make("img", STRATA_U8, kSixteen);
    const strata_array last = sample.make("img", STRATA_F32, kSixteen);
    written[static_cast<size_t>(i)] = last.data;
    fill(last, 5.0F);
    assembler.take(i, i, sample);
  }
  const Batch batch = assembler.finish(2);

  const auto* const data = batch.fields[0].tensor.const_data_ptr<float>();
  EXPECT_EQ(written[1], data + 16);
  EXPECT_EQ(data[0], 5.0F);
}

TEST(BatchAssembler, TakesTheLastValueWhenASampleMakesAFieldMoreOrLessOftenThanTheFirst) {
  BatchAssembler assembler(3);
  SampleFields sample;

  for (const int64_t makes : {2, 3, 1}) {
    const int64_t position = makes == 2 ? 0 : makes == 3 ? 1 : 2;
    assembler.prepare(position, sample);
    for (int64_t i = 1; i <= makes; ++i) {
      fill(sample.make("img", STRATA_F32, kSixteen), static_cast<float>(10 * makes + i));
    }
    assembler.take(position, position, sample);
  }
  const Batch batch = assembler.finish(3);

  const auto* const data = batch.fields[0].tensor.const_data_ptr<float>();
  EXPECT_EQ(data[0], 22.0F);
  EXPECT_EQ(data[16], 33.0F);
  EXPECT_EQ(data[47], 11.0F);
}

TEST(BatchAssembler, RefusesShapesThatDifferNamingFieldSamplesAndShapes) {
  BatchAssembler assembler(2);
  SampleFields sample;
  const std::array<int64_t, 2> small = {2, 3};
  const std::array<int64_t, 2> large = {2, 4};
  assembler.prepare(0, sample);
  sample.make("img", STRATA_F32, small);
  assembler.take(0, 17, sample);
  assembler.prepare(1, sample);
  sample.make("img", STRATA_F32, large);

  EXPECT_THAT(error_of([&] { assembler.take(1, 5, sample); }),
              AllOf(HasSubstr("\"img\" of sample 5 is f32 [2, 4]"),
                    HasSubstr("sample 17"),
                    HasSubstr("f32 [2, 3]")));
}

TEST(BatchAssembler, RefusesDtypesThatDiffer) {
  BatchAssembler assembler(2);
  SampleFields sample;
  assembler.prepare(0, sample);
  sample.make("label", STRATA_I64, {});
  assembler.take(0, 0, sample);
  assembler.prepare(1, sample);
  sample.make("label", STRATA_I32, {});

  EXPECT_THAT(error_of([&] { assembler.take(1, 1, sample); }),
              AllOf(HasSubstr("i32 []"), HasSubstr("i64 []")));
}

TEST(BatchAssembler, RefusesFieldsThatDiffer) {
  BatchAssembler assembler(2);
  SampleFields sample;
  assembler.prepare(0, sample);
  sample.make("a", STRATA_U8, {});
  assembler.take(0, 0, sample);
  assembler.prepare(1, sample);
  sample.make("b", STRATA_U8, {});

  EXPECT_THAT(
      error_of([&] { assembler.take(1, 1, sample); }),
      AllOf(HasSubstr("sample 1 has the fields b"), HasSubstr("sample 0"), HasSubstr("has a")));
}

TEST(BatchAssembler, RefusesASampleWithoutFields) {
  BatchAssembler assembler(1);
  SampleFields sample;

  EXPECT_THAT(error_of([&] { assembler.take(0, 8, sample); }), HasSubstr("sample 8 has no fields"));
}

TEST(CheckCollate, AcceptsTheOneThatStacks) {
  EXPECT_NO_THROW(check_collate("default_collate", {}));
}

TEST(CheckCollate, RefusesListsAndUnknownNamesSayingWhatToWrite) {
  EXPECT_THAT(error_of([] { check_collate("pseudo_collate", "a.toml:4:1"); }),
              AllOf(HasSubstr("a.toml:4:1"), HasSubstr("stacked"), HasSubstr("default_collate")));
  EXPECT_THAT(error_of([] { check_collate("my_collate", {}); }), HasSubstr("my_collate"));
  EXPECT_EQ(code_of([] { check_collate("my_collate", {}); }), STRATA_E_CONFIG);
}

}  // namespace
}  // namespace strata::data
