// Tests of checkpoint folders: whole or not at all, whatever happens.
#include "checkpoint/checkpoint_dir.hpp"

#include <array>
#include <csignal>

#include <gmock/gmock.h>
#include <sys/resource.h>

#include "strata/abi/core.h"

#include "checkpoint/last_checkpoint.hpp"
#include "temp_dir.hpp"

namespace strata::checkpoint {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::UnorderedElementsAre;

/// No file of this process may grow beyond `bytes`: to a writer that is a full disk.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &old_);
    const rlimit limit = {bytes, old_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }

  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &old_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  rlimit old_{};
  void (*handler_)(int);
};

class CheckpointDir : public TempDirTest {
 protected:
  [[nodiscard]] CheckpointContent content(const std::string& state) const {
    CheckpointContent out;
    out.model = {{"w", STRATA_F32, {2}, weights_.data()}};
    out.optimizer = std::vector<TensorSource>{{"w.exp_avg", STRATA_F32, {2}, weights_.data()}};
    out.state = state;
    return out;
  }

  [[nodiscard]] std::vector<std::string> names() const {
    std::vector<std::string> out;
    for (const auto& entry : fs::directory_iterator(dir_)) {
      out.push_back(entry.path().filename().string());
    }
    return out;
  }

  const std::array<float, 2> weights_ = {1, 2};
  const std::string dead_pid_ = "999999999";  // above the largest that Linux gives
};

TEST_F(CheckpointDir, HoldsThreeFilesAndNothingBesideIt) {
  save_checkpoint(dir_ / "epoch_1", content("{}"));

  const CheckpointPaths paths = open_checkpoint(dir_ / "epoch_1", Need::kAll);
  EXPECT_NE(SafetensorsFile(paths.model).find("w"), nullptr);
  EXPECT_NE(SafetensorsFile(paths.optimizer).find("w.exp_avg"), nullptr);
  EXPECT_EQ(read(paths.state), "{}");
  EXPECT_THAT(names(), UnorderedElementsAre("epoch_1"));
}

TEST_F(CheckpointDir, MakesTheFoldersAboveIt) {
  save_checkpoint(dir_ / "a/b/epoch_1", content("{}"));

  EXPECT_NO_THROW(open_checkpoint(dir_ / "a/b/epoch_1"));
}

TEST_F(CheckpointDir, ReplacesOneOfTheSameName) {
  save_checkpoint(dir_ / "epoch_1", content("old"));

  save_checkpoint(dir_ / "epoch_1", content("new"));

  EXPECT_EQ(read(dir_ / "epoch_1/state.json"), "new");
  EXPECT_THAT(names(), UnorderedElementsAre("epoch_1"));
}

TEST_F(CheckpointDir, WithoutOptimizerCanBeLoadedButNotResumed) {
  CheckpointContent weights = content("{}");
  weights.optimizer.reset();
  save_checkpoint(dir_ / "best", weights);

  EXPECT_TRUE(open_checkpoint(dir_ / "best").optimizer.empty());
  const Error e = error_of([&] { open_checkpoint(dir_ / "best", Need::kAll); });
  EXPECT_EQ(e.code(), STRATA_E_NOT_FOUND);
  EXPECT_THAT(e.message(), AllOf(HasSubstr("lacks optimizer.safetensors"), HasSubstr("load_from")));
}

TEST_F(CheckpointDir, SaysWhatAFullDiskWouldHaveNeededAndLeavesTheOldOne) {
  save_checkpoint(dir_ / "epoch_1", content("old"));
  std::vector<float> large(1 << 20);
  CheckpointContent next = content("new");
  next.model.push_back({"large", STRATA_F32, {1 << 20}, large.data()});

  const FileSizeLimit limit(64 << 10);
  const Error e = error_of([&] { save_checkpoint(dir_ / "epoch_1", next); });

  EXPECT_EQ(e.code(), STRATA_E_IO);
  EXPECT_THAT(e.message(),
              AllOf(HasSubstr("model.safetensors"),
                    HasSubstr("needs 4194"),
                    HasSubstr("File too large"),
                    HasSubstr("while saving the checkpoint " + (dir_ / "epoch_1").string())));
  EXPECT_EQ(read(dir_ / "epoch_1/state.json"), "old");
  EXPECT_THAT(names(), UnorderedElementsAre("epoch_1"));
}

TEST_F(CheckpointDir, LeavesNothingWhenGatheringATensorFails) {
  CheckpointContent failing = content("{}");
  failing.optimizer->front().fill = [](const Put&) { throw run_error("rank 1 is gone"); };

  EXPECT_EQ(error_of([&] { save_checkpoint(dir_ / "epoch_1", failing); }).message(),
            "rank 1 is gone");
  EXPECT_TRUE(fs::is_empty(dir_));
}

TEST_F(CheckpointDir, RefusesAFileInItsPlace) {
  write("epoch_1", "mine");

  const Error e = error_of([&] { save_checkpoint(dir_ / "epoch_1", content("{}")); });

  EXPECT_EQ(e.code(), STRATA_E_IO);
  EXPECT_THAT(e.message(), HasSubstr("a file that is no checkpoint has that name"));
  EXPECT_EQ(read(dir_ / "epoch_1"), "mine");
}

TEST_F(CheckpointDir, RefusesToReplaceAFolderThatIsNoCheckpoint) {
  fs::create_directory(dir_ / "epoch_1");
  write("epoch_1/notes", "mine");

  EXPECT_THAT(error_of([&] { save_checkpoint(dir_ / "epoch_1", content("{}")); }).message(),
              HasSubstr("a folder that is no checkpoint"));
  EXPECT_EQ(read(dir_ / "epoch_1/notes"), "mine");
}

TEST_F(CheckpointDir, RefusesAFileWhereTheFolderAboveShouldBe) {
  write("work", "mine");

  const Error e = error_of([&] { save_checkpoint(dir_ / "work/epoch_1", content("{}")); });

  EXPECT_EQ(e.code(), STRATA_E_IO);
  EXPECT_THAT(e.message(), HasSubstr("Not a directory"));
}

TEST_F(CheckpointDir, RemovesWhatAKilledProcessLeftUnfinished) {
  fs::create_directory(dir_ / (".epoch_7.tmp-" + dead_pid_));
  fs::create_directory(
      dir_ / (".epoch_8.tmp-" + std::to_string(::getppid())));  // alive: may be saving now

  save_checkpoint(dir_ / "epoch_1", content("{}"));

  EXPECT_THAT(names(),
              UnorderedElementsAre("epoch_1", ".epoch_8.tmp-" + std::to_string(::getppid())));
}

TEST_F(CheckpointDir, BringsBackOneThatAKilledProcessMovedAway) {
  save_checkpoint(dir_ / "epoch_1", content("first"));
  fs::rename(dir_ / "epoch_1", dir_ / (".epoch_1.old-" + dead_pid_));

  save_checkpoint(dir_ / "epoch_2", content("{}"));

  EXPECT_EQ(read(dir_ / "epoch_1/state.json"), "first");
  EXPECT_THAT(names(), UnorderedElementsAre("epoch_1", "epoch_2"));
}

TEST_F(CheckpointDir, RewritesItsStateAlone) {
  save_checkpoint(dir_ / "epoch_1", content("old"));
  const auto written = fs::last_write_time(dir_ / "epoch_1/model.safetensors");

  rewrite_state(dir_ / "epoch_1", "new");

  EXPECT_EQ(read(dir_ / "epoch_1/state.json"), "new");
  EXPECT_EQ(fs::last_write_time(dir_ / "epoch_1/model.safetensors"), written);
}

TEST_F(CheckpointDir, IsRemovedWhole) {
  save_checkpoint(dir_ / "epoch_1", content("{}"));

  remove_checkpoint(dir_ / "epoch_1");
  remove_checkpoint(dir_ / "epoch_1");  // not there any more: nothing to do

  EXPECT_TRUE(fs::is_empty(dir_));
}

TEST_F(CheckpointDir, IsNotRemovedWhenItIsNone) {
  fs::create_directory(dir_ / "precious");

  const Error e = error_of([&] { remove_checkpoint(dir_ / "precious"); });

  EXPECT_EQ(e.code(), STRATA_E_ARGUMENT);
  EXPECT_TRUE(fs::exists(dir_ / "precious"));
}

TEST_F(CheckpointDir, NamesTheFileItLacks) {
  save_checkpoint(dir_ / "epoch_1", content("{}"));
  fs::remove(dir_ / "epoch_1/state.json");

  EXPECT_THAT(error_of([&] { open_checkpoint(dir_ / "epoch_1"); }).message(),
              HasSubstr("epoch_1 lacks state.json"));
  EXPECT_THAT(error_of([&] { open_checkpoint(dir_ / "epoch_9"); }).message(),
              HasSubstr("no checkpoint folder"));
}

using LastCheckpoint = CheckpointDir;

TEST_F(LastCheckpoint, IsOneLineWithAnAbsolutePath) {
  save_checkpoint(dir_ / "epoch_1", content("{}"));

  write_last(dir_, fs::relative(dir_ / "epoch_1"));

  EXPECT_EQ(read(dir_ / "last_checkpoint"), (dir_ / "epoch_1").string() + "\n");
  EXPECT_EQ(find_last(dir_), dir_ / "epoch_1");
}

TEST_F(LastCheckpoint, IsAbsentInANewWorkDir) {
  EXPECT_EQ(find_last(dir_), std::nullopt);
}

TEST_F(LastCheckpoint, IsFoundInAWorkDirThatWasMoved) {
  save_checkpoint(dir_ / "old/epoch_1", content("{}"));
  write_last(dir_ / "old", dir_ / "old/epoch_1");
  fs::rename(dir_ / "old", dir_ / "new");

  EXPECT_EQ(find_last(dir_ / "new"), dir_ / "new/epoch_1");
}

TEST_F(LastCheckpoint, SaysThatWhatItNamesIsGone) {
  write_last(dir_, dir_ / "epoch_1");

  const Error e = error_of([&] { find_last(dir_); });

  EXPECT_EQ(e.code(), STRATA_E_NOT_FOUND);
  EXPECT_THAT(
      e.message(),
      AllOf(HasSubstr("last_checkpoint"), HasSubstr("epoch_1"), HasSubstr("--resume PATH")));
}

}  // namespace
}  // namespace strata::checkpoint
