// Fields of a sample: memory, order, errors; its random stream.
#include "data/sample.hpp"

#include <cstdint>
#include <cstring>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "border/errors.hpp"

namespace strata::data {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::array<int64_t, 2> kShape = {2, 3};

template <class F>
std::string error_of(F&& body) {
  try {
    body();
  } catch (const Error& e) {
    return e.what();
  }
  return {};
}

TEST(SampleFields, AreDenseAndAlignedForWideLoads) {
  SampleFields fields;

  const strata_array made = fields.make("x", STRATA_F32, kShape);

  EXPECT_EQ(reinterpret_cast<uintptr_t>(made.data) % 64, 0U);
  EXPECT_EQ(layout_text(made), "f32 [2, 3]");
  EXPECT_EQ(byte_size(made), 24U);
}

TEST(SampleFields, KeepTheOldMemoryReadableWhenAFieldIsMadeAnew) {
  SampleFields fields;
  const strata_array old = fields.make("x", STRATA_U8, kShape);
  std::memset(old.data, 7, 6);

  const strata_array made = fields.make("x", STRATA_F32, kShape);
  std::memset(made.data, 0, 24);

  EXPECT_EQ(static_cast<const uint8_t*>(old.data)[5], 7);
  EXPECT_EQ(fields.get("x").data, made.data);
}

TEST(SampleFields, ReuseTheirMemoryForTheNextSample) {
  SampleFields fields;
  std::set<void*> seen;

  for (int i = 0; i < 10; ++i) {
    fields.clear();
    seen.insert(fields.make("x", STRATA_F32, kShape).data);
    seen.insert(fields.make("x", STRATA_F32, kShape).data);
  }

  EXPECT_EQ(seen.size(), 2U);
}

TEST(SampleFields, AreListedInTheOrderOfThisSample) {
  SampleFields fields;
  fields.make("a", STRATA_U8, {});
  fields.make("b", STRATA_U8, {});

  fields.clear();
  fields.make("b", STRATA_U8, {});
  fields.make("c", STRATA_U8, {});
  fields.make("b", STRATA_U8, {});

  std::vector<std::string> names;
  for (const Field& field : fields.fields()) {
    names.push_back(field.name);
  }
  EXPECT_THAT(names, ElementsAre("b", "c"));
}

TEST(SampleFields, OfAnEarlierSampleAreGone) {
  SampleFields fields;
  fields.make("a", STRATA_U8, {});

  fields.clear();
  fields.make("b", STRATA_U8, {});

  EXPECT_THAT(error_of([&] { static_cast<void>(fields.get("a")); }),
              HasSubstr("no field \"a\"; it has: b"));
}

TEST(SampleFields, LandInTheTargetAtTheForeseenMake) {
  alignas(64) std::array<float, 6> place{};
  SampleFields fields;
  strata_array target = fields.make("x", STRATA_F32, kShape);
  target.data = place.data();
  fields.clear();
  fields.aim("x", target, 2);

  const void* const first = fields.make("x", STRATA_U8, kShape).data;
  const void* const second = fields.make("x", STRATA_F32, kShape).data;
  const void* const third = fields.make("x", STRATA_F32, kShape).data;

  EXPECT_NE(first, place.data());
  EXPECT_EQ(second, place.data());
  EXPECT_NE(third, place.data());
}

TEST(SampleFields, StayOutOfATargetOfAnotherLayout) {
  alignas(64) std::array<float, 6> place{};
  SampleFields fields;
  strata_array target = fields.make("x", STRATA_F32, kShape);
  target.data = place.data();
  fields.clear();
  fields.aim("x", target, 1);

  EXPECT_NE(fields.make("x", STRATA_F64, kShape).data, place.data());
}

TEST(SampleFields, RefuseImpossibleOnes) {
  SampleFields fields;
  const std::array<int64_t, 2> huge = {INT64_MAX, 4};
  const std::array<int64_t, 1> negative = {-1};
  const std::array<int64_t, 9> deep = {1, 1, 1, 1, 1, 1, 1, 1, 1};

  EXPECT_THAT(error_of([&] { fields.make("", STRATA_U8, {}); }), HasSubstr("name"));
  EXPECT_THAT(error_of([&] { fields.make("x", 99, {}); }),
              HasSubstr("dtype 99 is no element type"));
  EXPECT_THAT(error_of([&] { fields.make("x", STRATA_U8, huge); }),
              HasSubstr("impossible extent 4"));
  EXPECT_THAT(error_of([&] { fields.make("x", STRATA_U8, negative); }),
              HasSubstr("impossible extent -1"));
  EXPECT_THAT(error_of([&] { fields.make("x", STRATA_U8, deep); }), HasSubstr("9 dimensions"));
}

TEST(SampleService, TurnsErrorsIntoCodes) {
  strata_sample sample;
  strata_array out{};

  EXPECT_EQ(sample_service()->get(&sample, border::view("img"), &out), STRATA_E_NOT_FOUND);
  EXPECT_EQ(sample_service()->make(&sample, border::view("img"), STRATA_U8, -1, nullptr, &out),
            STRATA_E_ARGUMENT);
  EXPECT_EQ(out.data, nullptr);
}

TEST(RandomStream, OfAKeyIsWrittenDown) {
  // splitmix64 from state 0, the published first outputs (e.g. Vigna's splitmix64.c).
  RandomStream stream(0);

  EXPECT_EQ(stream.next(), 0xE220A8397B1DCDAFU);
  EXPECT_EQ(stream.next(), 0x6E789E6AA1B965F4U);
  EXPECT_EQ(stream.next(), 0x06C45D188009454FU);
}

TEST(RandomStream, DependsOnEveryNumberThatNamesItAndOnTheirOrder) {
  std::set<uint64_t> keys;
  for (int64_t seed = 0; seed < 10; ++seed) {
    for (int64_t epoch = 0; epoch < 10; ++epoch) {
      for (int64_t index = 0; index < 100; ++index) {
        keys.insert(stream_key({seed, epoch, 0, index}));
      }
    }
  }

  EXPECT_EQ(keys.size(), 10000U);
}

}  // namespace
}  // namespace strata::data
