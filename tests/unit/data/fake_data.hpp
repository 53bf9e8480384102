// Data sets and samplers made of lambdas, for tests of the host's side.
#pragma once

#include <functional>
#include <memory>
#include <numeric>
#include <utility>
#include <vector>

#include "border/object.hpp"
#include "data/loader.hpp"
#include "data/sample.hpp"

namespace strata::data::test {

/// Fills a sample; throws strata::Error to fail.
using GetSample = std::function<void(int64_t index, strata_sample& out)>;

struct FakeDataset {
  int64_t size;
  GetSample get_sample;

  static void destroy(void* self) {
    const std::unique_ptr<FakeDataset> own(static_cast<FakeDataset*>(self));
  }

  static strata_rc size_of(void* self, int64_t* out) {
    *out = static_cast<FakeDataset*>(self)->size;
    return STRATA_OK;
  }

  static strata_rc get(void* self, int64_t index, strata_sample* out) {
    return border::guarded([&] { static_cast<FakeDataset*>(self)->get_sample(index, *out); });
  }

  static border::Object<strata_dataset_api> make(int64_t size, GetSample get_sample) {
    static const strata_dataset_api api = {
        {STRATA_HDR(strata_dataset_api), &destroy, nullptr}, nullptr, &size_of, &get, nullptr};
    auto own = std::make_unique<FakeDataset>(FakeDataset{size, std::move(get_sample)});
    return {strata_object{own.release(), &api}, "FakeDataset"};
  }
};

/// Positions 0 … length-1 in order of the set, or what is given.
struct FakeSampler {
  std::vector<int64_t> order;
  std::vector<uint8_t> padding;

  static void destroy(void* self) {
    const std::unique_ptr<FakeSampler> own(static_cast<FakeSampler*>(self));
  }

  static strata_rc begin(void*, const strata_sampler_args*) { return STRATA_OK; }

  static strata_rc set_epoch(void*, int64_t) { return STRATA_OK; }

  static strata_rc length(void* self, int64_t* out) {
    *out = static_cast<int64_t>(static_cast<FakeSampler*>(self)->order.size());
    return STRATA_OK;
  }

  static strata_rc indices(void* self, int64_t from, int64_t n, int64_t* out, uint8_t* padding) {
    const auto& sampler = *static_cast<FakeSampler*>(self);
    for (int64_t i = 0; i < n; ++i) {
      out[i] = sampler.order[static_cast<size_t>(from + i)];
      padding[i] = sampler.padding[static_cast<size_t>(from + i)];
    }
    return STRATA_OK;
  }

  static border::Object<strata_sampler_api> make(std::vector<int64_t> order,
                                                 std::vector<uint8_t> padding = {}) {
    static const strata_sampler_api api = {
        {STRATA_HDR(strata_sampler_api), &destroy, nullptr}, &begin, &length, &set_epoch, &indices};
    padding.resize(order.size(), 0);
    auto own = std::make_unique<FakeSampler>(FakeSampler{std::move(order), std::move(padding)});
    return {strata_object{own.release(), &api}, "FakeSampler"};
  }
};

/// Writes one i64 field "x" [] with the value.
inline void put_number(strata_sample& out, int64_t value) {
  *static_cast<int64_t*>(out.fields.make("x", STRATA_I64, {}).data) = value;
}

/// A loader over 0 … size-1 in order.
inline Loader ordered_loader(int64_t size, GetSample get_sample, LoaderOptions options) {
  std::vector<int64_t> order(static_cast<size_t>(size));
  std::iota(order.begin(), order.end(), 0);
  return {Pipeline(FakeDataset::make(size, std::move(get_sample)), {}, "train.toml:3:1"),
          FakeSampler::make(std::move(order)),
          std::move(options)};
}

}  // namespace strata::data::test
