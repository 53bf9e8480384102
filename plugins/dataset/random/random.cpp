// Random samples, for runs whose data must cost next to nothing and need no files.
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "strata/cpp/data.hpp"

#include "mix.hpp"
#include "tokens.hpp"

namespace {

using strata::random::key_of;
using strata::random::mix;
using strata::random::RandomTokens;
using strata::random::TokensConfig;

struct Config {
  int64_t size = 10'000;
  std::vector<int64_t> shape = {3, 32, 32};
  int64_t num_classes = 10;
  int64_t seed = 0;
};

class RandomClassification final : public strata::Dataset {
 public:
  explicit RandomClassification(Config config) : config_(std::move(config)) {
    const auto bad = std::ranges::find_if(config_.shape, [](int64_t extent) { return extent < 1; });
    if (bad != config_.shape.end() || config_.shape.size() > STRATA_MAX_DIMS) {
      throw strata::config_error({},
                                 "RandomClassification: shape has up to ",
                                 STRATA_MAX_DIMS,
                                 " extents, each 1 or more; leave the batch's out");
    }
    for (const int64_t extent : config_.shape) {
      numel_ *= extent;
    }
  }

  void open() override {}

  [[nodiscard]] int64_t size() const override { return config_.size; }

  void get(int64_t index, const strata::Sample& out) const override {
    if (index < 0 || index >= config_.size) {
      throw strata::Error(
          STRATA_E_ARGUMENT,
          strata::text("RandomClassification has no sample ", index, "; it has ", config_.size));
    }
    const uint64_t key = key_of(config_.seed, index);
    fill(key, static_cast<float*>(out.make("img", STRATA_F32, config_.shape).data));
    // Negative counters are the label's, the others the image's.
    const uint64_t draw = mix(key - 1) % static_cast<uint64_t>(config_.num_classes);
    *static_cast<int64_t*>(out.make("label", STRATA_I64, {}).data) = static_cast<int64_t>(draw);
  }

 private:
  void fill(uint64_t key, float* __restrict out) const {
    constexpr float kWidth = 3.4641016F;  // sqrt(12): of the uniform distribution with variance 1
    for (int64_t i = 0; i < numel_; ++i) {
      // 24 bits: exact in a float.
      const auto bits = static_cast<int32_t>(mix(key + static_cast<uint64_t>(i)) >> 40U);
      out[i] = (static_cast<float>(bits) * 0x1.0p-24F - 0.5F) * kWidth;
    }
  }

  Config config_;
  int64_t numel_ = 1;
};

}  // namespace

STRATA_PLUGIN(
    strata::exported<RandomClassification, Config>("RandomClassification")
        .doc("Random samples made in memory. Fields: img f32 [shape], label i64 [].")
        .field("size", &Config::size, "samples", "[1, inf)")
        .field("shape", &Config::shape, "extents of one img")
        .field("num_classes", &Config::num_classes, "labels are below it", "[1, inf)")
        .field("seed", &Config::seed, "of the whole data set"),
    strata::exported<RandomTokens, TokensConfig>("RandomTokens")
        .doc("Random tokens made in memory. Fields: input_ids and labels, the same one token "
             "later, i64 [seq_len].")
        .field("size", &TokensConfig::size, "samples", "[1, inf)")
        .field("seq_len", &TokensConfig::seq_len, "tokens of one sample", "[1, inf)")
        .field("vocab_size", &TokensConfig::vocab_size, "tokens are below it", "[1, 2147483648]")
        .field("seed", &TokensConfig::seed, "of the whole data set"));
