// Passes, lengths, refusals, errors and stops of the loader.
#include "data/loader.hpp"

#include <atomic>
#include <chrono>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "data/batch.hpp"
#include "fake_data.hpp"
#include "support/sample_host.hpp"

namespace strata::data {
namespace {

using strata::test::code_of;
using strata::test::error_of;
using test::FakeDataset;
using test::FakeSampler;
using test::ordered_loader;
using test::put_number;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

void put_index(int64_t index, strata_sample& out) {
  put_number(out, index);
}

std::vector<int64_t> numbers(const Batch& batch) {
  const at::Tensor& x = batch.fields.at(0).tensor;
  return {x.const_data_ptr<int64_t>(), x.const_data_ptr<int64_t>() + x.numel()};
}

std::vector<std::vector<int64_t>> rest_of_pass(Loader& loader) {
  std::vector<std::vector<int64_t>> out;
  Batch batch;
  while (loader.next(batch)) {
    out.push_back(numbers(batch));
  }
  return out;
}

class LoaderWorkers : public testing::TestWithParam<int64_t> {
 protected:
  [[nodiscard]] LoaderOptions options(int64_t batch_size) const {
    LoaderOptions out;
    out.batch_size = batch_size;
    out.num_workers = GetParam();
    return out;
  }
};

TEST_P(LoaderWorkers, BatchesComeInOrderWithASmallerLastOne) {
  Loader loader = ordered_loader(8, &put_index, options(3));
  loader.begin_pass(0);

  EXPECT_EQ(loader.length(), 3);
  EXPECT_THAT(rest_of_pass(loader),
              ElementsAre(ElementsAre(0, 1, 2), ElementsAre(3, 4, 5), ElementsAre(6, 7)));
}

TEST_P(LoaderWorkers, DropLastLeavesTheSmallerOneOut) {
  LoaderOptions with_drop = options(3);
  with_drop.drop_last = true;
  Loader loader = ordered_loader(8, &put_index, with_drop);
  loader.begin_pass(0);

  EXPECT_EQ(loader.length(), 2);
  EXPECT_THAT(rest_of_pass(loader), ElementsAre(ElementsAre(0, 1, 2), ElementsAre(3, 4, 5)));
}

TEST_P(LoaderWorkers, APassMayBeginAnywhere) {
  Loader loader = ordered_loader(7, &put_index, options(2));

  loader.begin_pass(0, 2);
  EXPECT_THAT(rest_of_pass(loader), ElementsAre(ElementsAre(4, 5), ElementsAre(6)));
  loader.begin_pass(0, 4);
  EXPECT_TRUE(rest_of_pass(loader).empty());
}

TEST_P(LoaderWorkers, AnUnfinishedPassIsDroppedByTheNext) {
  for (const bool persistent : {false, true}) {
    LoaderOptions kept = options(1);
    kept.persistent = persistent;
    Loader loader = ordered_loader(50, &put_index, kept);
    Batch batch;
    loader.begin_pass(0);
    ASSERT_TRUE(loader.next(batch));

    loader.begin_pass(1, 40);

    ASSERT_TRUE(loader.next(batch));
    EXPECT_THAT(numbers(batch), ElementsAre(40));
  }
}

TEST_P(LoaderWorkers, TheEndOfAPassStaysTheEnd) {
  Loader loader = ordered_loader(1, &put_index, options(1));
  Batch batch;
  loader.begin_pass(0);
  ASSERT_TRUE(loader.next(batch));

  EXPECT_FALSE(loader.next(batch));
  EXPECT_FALSE(loader.next(batch));
}

TEST_P(LoaderWorkers, AFailureSurfacesAtItsBatchWithTheSampleAndEndsThePass) {
  const auto fail_at_5 = [](int64_t index, strata_sample& out) {
    if (index == 5) {
      throw Error(STRATA_E_IO, "the disk is gone", "data.bin:5");
    }
    put_number(out, index);
  };
  Loader loader = ordered_loader(8, fail_at_5, options(2));
  Batch batch;
  loader.begin_pass(0);
  ASSERT_TRUE(loader.next(batch));
  ASSERT_TRUE(loader.next(batch));

  try {
    loader.next(batch);
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), STRATA_E_IO);
    EXPECT_THAT(
        e.what(),
        AllOf(HasSubstr("data.bin:5: the disk is gone"), HasSubstr("sample 5 of FakeDataset")));
  }
  EXPECT_EQ(code_of([&] { loader.next(batch); }), STRATA_E_ARGUMENT);

  loader.begin_pass(0, 3);
  EXPECT_THAT(rest_of_pass(loader), ElementsAre(ElementsAre(6, 7)));
}

TEST_P(LoaderWorkers, CountsTheLeadingSamplesThatAreNoPadding) {
  Loader loader(Pipeline(FakeDataset::make(4, &put_index), {}, {}),
                FakeSampler::make({0, 1, 2, 3, 0}, {0, 0, 0, 0, 1}),
                options(3));
  Batch batch;
  loader.begin_pass(0);

  ASSERT_TRUE(loader.next(batch));
  EXPECT_EQ(batch.valid, 3);
  ASSERT_TRUE(loader.next(batch));
  EXPECT_EQ(batch.size, 2);
  EXPECT_EQ(batch.valid, 1);
}

TEST_P(LoaderWorkers, PaddingBeforeASampleThatCountsIsRefused) {
  Loader loader(Pipeline(FakeDataset::make(2, &put_index), {}, {}),
                FakeSampler::make({0, 1}, {1, 0}),
                options(2));
  Batch batch;
  loader.begin_pass(0);

  EXPECT_THAT(error_of([&] { loader.next(batch); }),
              AllOf(HasSubstr("FakeSampler"), HasSubstr("padding")));
}

TEST_P(LoaderWorkers, AnIndexOutsideTheDataIsTheSamplersFault) {
  Loader loader(
      Pipeline(FakeDataset::make(2, &put_index), {}, {}), FakeSampler::make({0, 2}), options(2));
  Batch batch;
  loader.begin_pass(0);

  EXPECT_THAT(error_of([&] { loader.next(batch); }),
              HasSubstr("FakeSampler gave index 2 at position 1"));
}

INSTANTIATE_TEST_SUITE_P(NumWorkers, LoaderWorkers, testing::Values(0, 1, 3));

/// The first batch of 100 is made at once, each further sample takes 20 ms: two seconds a batch.
void put_slowly(int64_t index, strata_sample& out) {
  if (index >= 100) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  put_number(out, index);
}

TEST(Loader, StopsWithinASampleWhenWorkersAreAtABatch) {
  const auto begin = std::chrono::steady_clock::now();
  {
    Loader loader = ordered_loader(300, &put_slowly, {.batch_size = 100, .num_workers = 3});
    Batch batch;
    loader.begin_pass(0);
    ASSERT_TRUE(loader.next(batch));
  }

  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(1500));
}

TEST(Loader, BeginsANewPassWithinASampleWhenWorkersAreAtABatch) {
  Loader loader =
      ordered_loader(300, &put_slowly, {.batch_size = 100, .num_workers = 3, .persistent = true});
  Batch batch;
  const auto begin = std::chrono::steady_clock::now();
  for (int64_t pass = 0; pass < 3; ++pass) {
    loader.begin_pass(pass);
    ASSERT_TRUE(loader.next(batch));
  }

  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(1500));
}

TEST(Loader, StopsWhenWorkersWaitForWork) {
  LoaderOptions options;
  options.num_workers = 3;
  Loader loader = ordered_loader(1, &put_index, options);
  Batch batch;
  loader.begin_pass(0);

  ASSERT_TRUE(loader.next(batch));  // one batch for three workers; the end of the test stops them
  EXPECT_THAT(numbers(batch), ElementsAre(0));
}

TEST(Loader, HasAsManyBatchesInFlightAsAsked) {
  std::atomic<int> made = 0;
  LoaderOptions options;
  options.num_workers = 2;
  options.prefetch = 3;
  Loader loader = ordered_loader(
      100,
      [&](int64_t index, strata_sample& out) {
        put_number(out, index);
        made += 1;
      },
      options);
  Batch batch;
  loader.begin_pass(0);

  ASSERT_TRUE(loader.next(batch));
  for (int i = 0; i < 400 && made < 6; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }

  EXPECT_EQ(made.load(), 6);
}

TEST(Loader, BatchesStayValidAfterTheLoaderIsGone) {
  Batch batch;
  {
    LoaderOptions options;
    options.batch_size = 4;
    options.num_workers = 2;
    Loader loader = ordered_loader(4, &put_index, options);
    loader.begin_pass(0);
    ASSERT_TRUE(loader.next(batch));
  }

  EXPECT_THAT(numbers(batch), ElementsAre(0, 1, 2, 3));
}

TEST(Loader, WantsAPassBeforeABatch) {
  Loader loader = ordered_loader(4, &put_index, {});
  Batch batch;

  EXPECT_THAT(error_of([&] { loader.next(batch); }), HasSubstr("begin_pass"));
}

TEST(Loader, RefusesToBeginOutsideThePass) {
  Loader loader = ordered_loader(4, &put_index, {});

  EXPECT_THAT(error_of([&] { loader.begin_pass(0, 5); }), HasSubstr("batch 5: there are 4"));
  EXPECT_EQ(code_of([&] { loader.begin_pass(0, -1); }), STRATA_E_ARGUMENT);
}

TEST(Loader, RefusesOptionsThatCannotWorkWithTheirPlace) {
  const auto refusal = [](LoaderOptions options) {
    options.where = "train.toml:9:1";
    return error_of([&] { ordered_loader(4, &put_index, options); });
  };
  LoaderOptions too_large;
  too_large.batch_size = 5;
  too_large.drop_last = true;

  EXPECT_THAT(refusal({.batch_size = 0}),
              AllOf(HasSubstr("train.toml:9:1"), HasSubstr("batch_size = 0")));
  EXPECT_THAT(refusal({.num_workers = -1}), HasSubstr("num_workers = -1"));
  EXPECT_THAT(refusal({.prefetch = 0}), HasSubstr("prefetch_factor = 0"));
  EXPECT_THAT(refusal(too_large),
              AllOf(HasSubstr("batch_size = 5"), HasSubstr("4 samples"), HasSubstr("drop_last")));
  EXPECT_EQ(code_of([&] { ordered_loader(4, &put_index, too_large); }), STRATA_E_CONFIG);
}

TEST(Loader, RefusesAnEmptyDataSetWithItsPlace) {
  EXPECT_THAT(error_of([] { ordered_loader(0, &put_index, {}); }),
              AllOf(HasSubstr("train.toml:3:1"), HasSubstr("FakeDataset is empty")));
}

}  // namespace
}  // namespace strata::data
