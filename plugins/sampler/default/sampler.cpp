// DefaultSampler and InfiniteSampler, as MMEngine's (mmengine/dataset/sampler.py).
#include <algorithm>
#include <optional>

#include "strata/cpp/data.hpp"

#include "permutation.hpp"

namespace {

struct Config {
  bool shuffle = true;
  std::optional<int64_t> seed;
};

struct DefaultConfig : Config {
  bool round_up = true;
};

/// What both have in common: rank r of W takes places r, r + W, r + 2W, … of the whole order.
class StridedSampler : public strata::Sampler {
 public:
  explicit StridedSampler(const Config& config) : config_(config) {}

  void begin(const strata_sampler_args& args) override {
    if (args.dataset_size < 1 || args.world_size < 1 || args.rank < 0 ||
        args.rank >= args.world_size) {
      throw strata::Error(STRATA_E_ARGUMENT,
                          strata::text("a sampler cannot begin with ",
                                       args.dataset_size,
                                       " samples as rank ",
                                       args.rank,
                                       " of ",
                                       args.world_size));
    }
    size_ = args.dataset_size;
    rank_ = args.rank;
    world_ = args.world_size;
    permutation_.begin(config_.shuffle ? size_ : 0, config_.seed.value_or(args.seed));
  }

  void set_epoch(int64_t epoch) override { epoch_ = epoch; }

 protected:
  [[nodiscard]] int64_t size() const { return size_; }

  [[nodiscard]] int64_t rank() const { return rank_; }

  [[nodiscard]] int64_t world() const { return world_; }

  [[nodiscard]] int64_t place(int64_t position) const { return position * world_ + rank_; }

  /// The sample at a place below size() of one passage through the whole set.
  int64_t sample(int64_t round, int64_t place) {
    return config_.shuffle ? permutation_.of(epoch_, round)[static_cast<size_t>(place)] : place;
  }

 private:
  Config config_;
  sampler::Permutation permutation_;
  int64_t size_ = 0;
  int64_t rank_ = 0;
  int64_t world_ = 1;
  int64_t epoch_ = 0;
};

class DefaultSampler final : public StridedSampler {
 public:
  explicit DefaultSampler(const DefaultConfig& config)
      : StridedSampler(config), round_up_(config.round_up) {}

  /// Rounded up, all ranks have the same number; the order is continued from its beginning to make
  /// up for it.
  [[nodiscard]] int64_t length() const override {
    const int64_t first = round_up_ ? 0 : rank();
    return first >= size() ? 0 : (size() - first - 1) / world() + 1;
  }

  void indices(int64_t from, std::span<int64_t> out, std::span<uint8_t> padding) override {
    const auto n = static_cast<int64_t>(out.size());
    if (from < 0 || from > length() - n) {
      throw strata::Error(STRATA_E_ARGUMENT,
                          strata::text("DefaultSampler was asked for positions ",
                                       from,
                                       " to ",
                                       from + n - 1,
                                       "; rank ",
                                       rank(),
                                       " of ",
                                       world(),
                                       " has ",
                                       length()));
    }
    for (size_t i = 0; i < out.size(); ++i) {
      const int64_t at = place(from + static_cast<int64_t>(i));
      out[i] = sample(0, at % size());
      padding[i] = at >= size() ? 1 : 0;
    }
  }

 private:
  bool round_up_;
};

class InfiniteSampler final : public StridedSampler {
 public:
  explicit InfiniteSampler(const Config& config) : StridedSampler(config) {}

  [[nodiscard]] int64_t length() const override { return INT64_MAX; }

  void indices(int64_t from, std::span<int64_t> out, std::span<uint8_t> padding) override {
    for (size_t i = 0; i < out.size(); ++i) {
      const int64_t at = place(from + static_cast<int64_t>(i));
      out[i] = sample(at / size(), at % size());
    }
    std::ranges::fill(padding, uint8_t{0});
  }
};

constexpr const char* kShuffleDoc =
    "a new order each time the whole set was passed through; false: 0, 1, 2, …";
constexpr const char* kSeedDoc = "of the order; without it the run's";

}  // namespace

STRATA_PLUGIN(strata::exported<DefaultSampler, DefaultConfig>("DefaultSampler")
                  .doc("One pass over the whole set, dealt out to the ranks in turn.")
                  .field("shuffle", &DefaultConfig::shuffle, kShuffleDoc)
                  .field("seed", &DefaultConfig::seed, kSeedDoc)
                  .field("round_up",
                         &DefaultConfig::round_up,
                         "repeat the first samples so that every rank gets the same number; they "
                         "are left out of metrics"),
              strata::exported<InfiniteSampler, Config>("InfiniteSampler")
                  .doc("Passes over the whole set without end, dealt out to the ranks in turn.")
                  .field("shuffle", &Config::shuffle, kShuffleDoc)
                  .field("seed", &Config::seed, kSeedDoc));
