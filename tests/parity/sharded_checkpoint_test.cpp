// A checkpoint is the same whatever the strategy, and a run goes on from it under any.
#include <csignal>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <sys/resource.h>

#include "checkpoint/checkpoint_dir.hpp"
#include "checkpoint/checkpoint_reader.hpp"
#include "engine_run.hpp"
#include "modes.hpp"
#include "stored_tensors.hpp"
#include "train/checkpoints.hpp"

namespace strata::test {
namespace {

namespace fs = std::filesystem;
using testing::Each;
using testing::HasSubstr;

class ShardedCheckpoint : public testing::Test {
 protected:
  void SetUp() override { fs::create_directories(folder_); }

  void TearDown() override { fs::remove_all(folder_); }

  [[nodiscard]] fs::path path(const std::string& name) const { return folder_ / name; }

  /// Runs and saves at the end.
  EngineResult save(EngineRun run, const std::string& name) const {
    run.finally = [&](train::Session& session, train::Engine& engine) {
      write(session, engine, name, run.steps);
    };
    return run_engine(run);
  }

  void write(train::Session& session,
             train::Engine& engine,
             const std::string& name,
             int steps) const {
    const train::Counters counters{0, steps, steps, 0, 1, steps};
    train::CheckpointWriter writer(session);
    train::start_checkpoint(
        session, engine, writer, {{folder_.string(), name, true, true, false}, counters, "{}"});
    writer.wait();
    session.world().barrier();
  }

  void expect_same_tensors(const std::string& a, const std::string& b) const {
    EXPECT_EQ(differences(path(a), path(b), /*ranks=*/false), "") << a << " and " << b;
  }

  [[nodiscard]] nlohmann::json state(const std::string& name) const {
    return nlohmann::json::parse(checkpoint::read_state(path(name)));
  }

 private:
  fs::path folder_ = fs::temp_directory_path() / ("strata_sharded_" + std::to_string(getpid()));
};

TEST_F(ShardedCheckpoint, HasTheBytesOfDdps) {
  for (const int ranks : {1, 2, 3}) {
    save({.strategy = "DDPStrategy", .world = ranks, .steps = 3}, "ddp");
    save({.strategy = "FlatStrategy", .world = ranks, .steps = 3}, "flat");

    expect_same_tensors("flat", "ddp");
    EXPECT_EQ(state("flat").at("optimizer_steps"), state("ddp").at("optimizer_steps"))
        << ranks << " ranks";
  }
}

// Every mode of every strategy, each resuming what the one before it saved.
TEST_F(ShardedCheckpoint, GoesThroughAllStrategiesUnchanged) {
  const int ranks = 3;
  save({.strategy = "DDPStrategy", .world = ranks, .steps = 3}, "ddp");

  std::string before = "ddp";
  for (size_t i = 0; i < all_modes(ranks).size(); ++i) {
    const Mode three = all_modes(ranks)[i];
    const Mode two = all_modes(2)[i];
    const std::string resumed = before + "To" + two.name;
    save({.strategy = three.strategy, .world = ranks, .steps = 3}, three.name);
    save(
        {.strategy = two.strategy, .world = 2, .steps = 3, .resume = path(before), .first_step = 3},
        resumed);

    expect_same_tensors(three.name, "ddp");
    expect_same_tensors(resumed, "ddp");
    EXPECT_EQ(state(resumed).at("optimizer_steps"), state("ddp").at("optimizer_steps")) << resumed;
    before = three.name;
  }
}

TEST_F(ShardedCheckpoint, OfHalfPrecisionHoldsTheMasters) {
  const std::string bf16 =
      R"({ type = "FSDPStrategy", model_wrapper = { auto_wrap_policy = "always_wrap_policy", )"
      R"(mixed_precision = { param_dtype = "bfloat16" } } })";
  const EngineResult whole = save({.strategy = bf16, .world = 2, .steps = 4}, "whole");
  save({.strategy = bf16, .world = 2, .steps = 2}, "half");

  const EngineResult rest = save(
      {.strategy = bf16, .world = 2, .steps = 4, .resume = path("half"), .first_step = 2}, "rest");

  const checkpoint::CheckpointReader model(path("whole"),
                                           checkpoint::CheckpointReader::Take::kWeights);
  for (const checkpoint::StoredTensor& t : model.tensors()) {
    EXPECT_EQ(t.dtype, STRATA_F32) << t.name;
  }
  EXPECT_EQ(rest.losses[3], whole.losses[3]);
  expect_same_tensors("rest", "whole");
}

TEST_F(ShardedCheckpoint, HoldsParametersOutsideOfTheViews) {
  save({.strategy = "DDPStrategy", .world = 2, .steps = 0}, "initial");
  save({.strategy = R"(FlatStrategy", outside = "bias)", .world = 2, .steps = 3}, "flat");

  const auto initial = stored_tensors(path("initial"), false);
  const auto flat = stored_tensors(path("flat"), false);
  int states = 0;
  for (const auto& [name, bytes] : flat) {
    const auto before = initial.find(name);
    if (name.find(".exp_avg") != std::string::npos) {
      EXPECT_THAT(name, HasSubstr("weight."));
      ++states;
      continue;
    }
    ASSERT_NE(before, initial.end()) << name;
    EXPECT_EQ(bytes == before->second, name.ends_with("bias")) << name;
  }
  EXPECT_GT(states, 0);
}

TEST_F(ShardedCheckpoint, GoesOnToTheBit) {
  const EngineResult whole = save({.strategy = "FlatStrategy", .world = 2, .steps = 6}, "whole");
  save({.strategy = "FlatStrategy", .world = 2, .steps = 3}, "half");

  const EngineResult rest = save(
      {.strategy = "FlatStrategy", .world = 2, .steps = 6, .resume = path("half"), .first_step = 3},
      "rest");

  for (size_t step = 3; step < 6; ++step) {
    EXPECT_EQ(rest.losses[step], whole.losses[step]) << "step " << step;
  }
  expect_same_tensors("rest", "whole");
}

TEST_F(ShardedCheckpoint, GoesUnderAnyStrategyAndNumberOfRanks) {
  save({.strategy = "FlatStrategy", .world = 3, .steps = 3}, "three");

  save({.strategy = "FlatStrategy",
        .world = 2,
        .steps = 3,
        .resume = path("three"),
        .first_step = 3},
       "two");
  save({.strategy = "DDPStrategy", .world = 2, .steps = 3, .resume = path("two"), .first_step = 3},
       "ddp");
  save({.steps = 3, .resume = path("ddp"), .first_step = 3}, "one");

  expect_same_tensors("two", "three");
  expect_same_tensors("ddp", "three");
  expect_same_tensors("one", "three");
  EXPECT_EQ(state("one").at("optimizer_steps"), state("three").at("optimizer_steps"));
}

TEST_F(ShardedCheckpoint, IsTheSameHoweverMatricesLieInMemory) {
  save({.strategy = "FlatStrategy", .world = 2, .steps = 3}, "rows");

  save({.strategy = R"(FlatStrategy", layout = "transposed)",
        .world = 2,
        .steps = 3,
        .resume = path("rows"),
        .first_step = 3},
       "columns");

  expect_same_tensors("columns", "rows");
}

// The disk is full in the middle of a file, when the others are about to give what they hold.
TEST_F(ShardedCheckpoint, ThatCannotBeWrittenEndsEveryRankWithTheCause) {
  std::mutex mutex;
  std::vector<std::string> errors(3);
  signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);

  EngineRun run{.strategy = "FlatStrategy", .world = 3, .steps = 1};
  run.finally = [&](train::Session& session, train::Engine& engine) {
    const rlimit limit{5000, before.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
    session.world().barrier();
    write(session, engine, "never", 1);
  };
  run.on_error = [&](int rank, const std::exception& e) {
    const std::lock_guard lock(mutex);
    errors[static_cast<size_t>(rank)] = e.what();
  };
  run_engine(run);
  setrlimit(RLIMIT_FSIZE, &before);

  EXPECT_THAT(errors, Each(HasSubstr("-of-00003.safetensors")));
  EXPECT_THAT(errors, Each(HasSubstr("File too large")));
  EXPECT_FALSE(fs::exists(path("never")));
}

// What is in the way shows before the first byte; the ranks stay in step and can go on.
TEST_F(ShardedCheckpoint, ThatIsRefusedLeavesTheRanksInStep) {
  std::ofstream(path("taken")) << "a file of somebody's";
  EngineRun run{.strategy = "FlatStrategy", .world = 2, .steps = 1};
  run.finally = [&](train::Session& session, train::Engine& engine) {
    EXPECT_THROW(write(session, engine, "taken", 1), Error) << "rank " << session.world().rank();
    write(session, engine, "free", 1);
  };
  run_engine(run);
  save({.strategy = "FlatStrategy", .world = 2, .steps = 1}, "plain");

  expect_same_tensors("free", "plain");
}

}  // namespace
}  // namespace strata::test
