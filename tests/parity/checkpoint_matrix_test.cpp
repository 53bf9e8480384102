// A checkpoint of any mode on any number of ranks loads into any other: the same numbers to the bit, and training goes on.
#include <algorithm>
#include <filesystem>
#include <map>
#include <numeric>
#include <tuple>
#include <unistd.h>

#include <gtest/gtest.h>

#include "engine_run.hpp"
#include "modes.hpp"
#include "stored_tensors.hpp"
#include "train/checkpoints.hpp"

namespace strata::test {
namespace {

namespace fs = std::filesystem;

constexpr int kBefore = 4;   // steps until the checkpoint
constexpr int kAfter = 5;    // and from it
constexpr int kMicros = 12;  // of a step, divided among 1 to 4 ranks

// Nothing divides evenly by 2, 3 or 4 but the width; the head is tied to the embedding.
constexpr const char* kModel =
    R"(type = "GPT2", vocab_size = 13, n_positions = 7, n_layer = 2, n_head = 3, n_embd = 12, embd_pdrop = 0, resid_pdrop = 0, attn_pdrop = 0)";

const size_t kModes = all_modes(1).size() + 1;

/// Place 0 is one rank without a strategy of its own.
Mode mode_at(size_t index, int world) {
  return index == 0 ? Mode{"Single", "SingleDeviceStrategy"} : all_modes(world)[index - 1];
}

struct Config {
  size_t mode;
  int world;

  auto operator<=>(const Config&) const = default;
};

EngineRun run_of(const Config& c, int steps) {
  EngineRun run;
  run.model = kModel;
  run.strategy = mode_at(c.mode, c.world).strategy;
  run.world = c.world;
  run.accumulation = kMicros / c.world;
  run.steps = steps;
  run.batches = [](int64_t first, int64_t count) { return token_batches(first, count, 1, 7, 13); };
  return run;
}

void save_at_end(EngineRun& run, const fs::path& dir) {
  run.finally = [dir, steps = run.steps](train::Session& session, train::Engine& engine) {
    train::CheckpointWriter writer(session);
    const hooks::SaveRequest request{
        dir.parent_path().string(), dir.filename().string(), true, true, false};
    train::start_checkpoint(
        session, engine, writer, {request, {0, steps, steps, 0, 1, steps}, "{}"});
    writer.wait();
    session.world().barrier();
  };
}

std::vector<double> means(const EngineResult& result) {
  std::vector<double> out;
  for (size_t step = kBefore; step < kBefore + kAfter; ++step) {
    const auto& losses = result.losses[step];
    out.push_back(std::accumulate(losses.begin(), losses.end(), 0.0) / kMicros);
  }
  return out;
}

/// What all tests share: a checkpoint of each configuration and the losses of its uninterrupted run.
class Matrix : public testing::TestWithParam<size_t> {
 public:
  static void SetUpTestSuite() { fs::create_directories(folder()); }

  static void TearDownTestSuite() { fs::remove_all(folder()); }

 protected:
  static fs::path folder() {
    return fs::temp_directory_path() / ("strata_matrix_" + std::to_string(getpid()));
  }

  static fs::path saved(const Config& c) {
    const fs::path dir =
        folder() / (mode_at(c.mode, c.world).name + "On" + std::to_string(c.world));
    if (!fs::exists(dir)) {
      EngineRun run = run_of(c, kBefore);
      save_at_end(run, dir);
      run_engine(run);
    }
    return dir;
  }

  static const EngineResult& uninterrupted(const Config& c) {
    static std::map<Config, EngineResult> known;
    const auto it = known.find(c);
    return it != known.end()
               ? it->second
               : known.emplace(c, run_engine(run_of(c, kBefore + kAfter))).first->second;
  }

  static void expect_goes_on(const Config& from, const Config& to) {
    const fs::path before = saved(from);
    const fs::path again = folder() / "again";
    const std::string pair = before.filename().string() + " into " +
                             mode_at(to.mode, to.world).name + "On" + std::to_string(to.world);

    EngineRun loading = run_of(to, kBefore);
    loading.resume = before.string();
    loading.first_step = kBefore;
    save_at_end(loading, again);
    run_engine(loading);
    EXPECT_EQ(differences(before, again, /*ranks=*/from.world == to.world), "") << pair;

    EngineRun going_on = run_of(to, kBefore + kAfter);
    going_on.resume = before.string();
    going_on.first_step = kBefore;
    const EngineResult result = run_engine(going_on);
    if (from == to) {
      for (size_t step = kBefore; step < kBefore + kAfter; ++step) {
        EXPECT_EQ(result.losses[step], uninterrupted(to).losses[step]) << pair << ", step " << step;
      }
    }
    const std::vector<double> expected = means(uninterrupted({0, 1}));
    const std::vector<double> got = means(result);
    for (size_t i = 0; i < expected.size(); ++i) {
      EXPECT_NEAR(got[i], expected[i], 1e-5 * expected[i]) << pair << ", step " << kBefore + i;
    }
  }
};

// Every other mode; the numbers of ranks take turns so that all pairs of them occur.
TEST_P(Matrix, LoadsIntoAllModes) {
  const size_t from = GetParam();
  for (size_t to = 0; to < kModes; ++to) {
    const int ranks_from = from == 0 ? 1 : static_cast<int>(1 + (from + to) % 4);
    const int ranks_to = to == 0 ? 1 : static_cast<int>(1 + (from + 2 * to + (from + to) / 4) % 4);
    expect_goes_on({from, ranks_from}, {to, ranks_to});
  }
}

TEST_P(Matrix, GoesOnToTheBitOnAsManyRanks) {
  const size_t mode = GetParam();
  for (int world = 1; world <= (mode == 0 ? 1 : 4); ++world) {
    expect_goes_on({mode, world}, {mode, world});
  }
}

INSTANTIATE_TEST_SUITE_P(Checkpoints,
                         Matrix,
                         testing::Range<size_t>(0, kModes),
                         [](const auto& tested) { return mode_at(tested.param, 2).name; });

}  // namespace
}  // namespace strata::test
