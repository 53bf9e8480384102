// Random tokens for language models.
#pragma once

#include <array>

#include "strata/cpp/data.hpp"

#include "mix.hpp"

namespace strata::random {

struct STRATA_HIDDEN TokensConfig {
  int64_t size = 10'000;
  int64_t seq_len = 128;
  int64_t vocab_size = 50'257;
  int64_t seed = 0;
};

// Every token of a sample but the last is an input, every one but the first a label.
class STRATA_HIDDEN RandomTokens final : public Dataset {
 public:
  explicit RandomTokens(const TokensConfig& config) : config_(config) {}

  void open() override {}

  [[nodiscard]] int64_t size() const override { return config_.size; }

  void get(int64_t index, const Sample& out) const override {
    if (index < 0 || index >= config_.size) {
      throw Error(STRATA_E_ARGUMENT,
                  text("RandomTokens has no sample ", index, "; it has ", config_.size));
    }
    const uint64_t key = key_of(config_.seed, index);
    const std::array<int64_t, 1> shape = {config_.seq_len};
    fill(key, static_cast<int64_t*>(out.make("input_ids", STRATA_I64, shape).data));
    fill(key + 1, static_cast<int64_t*>(out.make("labels", STRATA_I64, shape).data));
  }

 private:
  // The high bits of a product: below vocab_size, and even to one part in 2^32 / vocab_size.
  void fill(uint64_t first, int64_t* out) const {
    for (int64_t i = 0; i < config_.seq_len; ++i) {
      const uint64_t bits = mix(first + static_cast<uint64_t>(i)) >> 32U;
      out[i] = static_cast<int64_t>(bits * static_cast<uint64_t>(config_.vocab_size) >> 32U);
    }
  }

  TokensConfig config_;
};

}  // namespace strata::random
