// Tests of checkpoint folders: whole or not at all, whatever happens.
#include "checkpoint/checkpoint_dir.hpp"

#include <array>
#include <chrono>
#include <csignal>
#include <span>
#include <tuple>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>
#include <sys/resource.h>

#include "strata/abi/core.h"

#include "checkpoint/checkpoint_reader.hpp"
#include "checkpoint/file_out.hpp"
#include "checkpoint/last_checkpoint.hpp"
#include "checkpoint/safetensors.hpp"
#include "checkpoint/shard_file.hpp"
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
  /// By two ranks: "w" is cut between them, the state of it lies with the first.
  void save(const fs::path& dir, const std::string& note) const {
    NewCheckpoint made(dir);
    made.publish(write_ranks(made.folder()), R"({"note": ")" + note + "\"}");
  }

  [[nodiscard]] Index write_ranks(const fs::path& folder) const {
    std::vector<Index> parts;
    parts.push_back(write_shard(folder, "model-00001-of-00002.safetensors", {piece(0, 3)}));
    parts.push_back(write_shard(folder, "model-00002-of-00002.safetensors", {piece(3, 2)}));
    parts.push_back(write_shard(folder,
                                "optimizer-00001-of-00002.safetensors",
                                {{"w.exp_avg", STRATA_F32, {5}, Kind::kState, 0, 5, bytes(0)}}));
    return merge(std::move(parts));
  }

  [[nodiscard]] ShardPiece piece(int64_t begin, int64_t count) const {
    return {"w", STRATA_F32, {5}, Kind::kParam, begin, count, bytes(static_cast<size_t>(begin))};
  }

  [[nodiscard]] const std::byte* bytes(size_t element) const {
    return std::as_bytes(std::span(weights_)).data() + element * sizeof(float);
  }

  [[nodiscard]] std::vector<std::string> names() const {
    std::vector<std::string> out;
    for (const auto& entry : fs::directory_iterator(dir_)) {
      out.push_back(entry.path().filename().string());
    }
    return out;
  }

  const std::array<float, 5> weights_ = {1, 2, 3, 4, 5};
  const std::string dead_ =
      host_name() + "-999999999";  // above the largest number that Linux gives
  const std::string alive_ = host_name() + "-" + std::to_string(::getppid());
};

std::string note_of(const fs::path& dir) {
  return nlohmann::json::parse(read_state(dir)).at("note").get<std::string>();
}

TEST_F(CheckpointDir, HoldsFilesOfRanksIndexAndStateAndNothingBesideIt) {
  save(dir_ / "epoch_1", "first");

  std::vector<std::string> files;
  for (const auto& entry : fs::directory_iterator(dir_ / "epoch_1")) {
    files.push_back(entry.path().filename().string());
  }
  EXPECT_THAT(files,
              UnorderedElementsAre("model-00001-of-00002.safetensors",
                                   "model-00002-of-00002.safetensors",
                                   "optimizer-00001-of-00002.safetensors",
                                   "index.json",
                                   "state.json"));
  EXPECT_THAT(names(), UnorderedElementsAre("epoch_1"));
  EXPECT_EQ(note_of(dir_ / "epoch_1"), "first");
}

TEST_F(CheckpointDir, GivesAnyStretchOfATensorThatRanksCut) {
  save(dir_ / "epoch_1", "");

  const CheckpointReader reader(dir_ / "epoch_1");
  reader.verify();
  const size_t w = reader.find("w").value();
  for (int64_t begin = 0; begin <= 5; ++begin) {
    for (int64_t count = 0; begin + count <= 5; ++count) {
      std::vector<float> out(5, 0);
      reader.read(w, begin, count, out.data());
      for (int64_t i = 0; i < 5; ++i) {
        EXPECT_EQ(out[static_cast<size_t>(i)],
                  i < count ? weights_[static_cast<size_t>(begin + i)] : 0);
      }
    }
  }
  EXPECT_EQ(reader.kind(reader.find("w.exp_avg").value()), Kind::kState);
}

TEST_F(CheckpointDir, GivesWeightsWithoutTheOptimizersFiles) {
  save(dir_ / "epoch_1", "");
  fs::remove(dir_ / "epoch_1/optimizer-00001-of-00002.safetensors");

  const auto weights = open_tensors(dir_ / "epoch_1");
  ASSERT_EQ(weights->tensors().size(), 1);
  EXPECT_EQ(weights->tensors()[0].name, "w");
  EXPECT_THAT(error_of([&] { CheckpointReader(dir_ / "epoch_1"); }).message(),
              HasSubstr("lacks optimizer-00001-of-00002.safetensors"));
}

TEST_F(CheckpointDir, HasFilesThatSafetensorsReads) {
  save(dir_ / "epoch_1", "");

  const SafetensorsFile first(dir_ / "epoch_1/model-00001-of-00002.safetensors");
  const SafetensorsFile states(dir_ / "epoch_1/optimizer-00001-of-00002.safetensors");
  EXPECT_NE(first.find("w[0:3]"), nullptr);
  EXPECT_NE(states.find("w.exp_avg"), nullptr);
}

TEST_F(CheckpointDir, NamesTheFileOfAFlippedBit) {
  save(dir_ / "epoch_1", "text");
  for (const auto& entry : fs::directory_iterator(dir_ / "epoch_1")) {
    const std::string whole = read(entry.path());
    for (size_t at = 0; at < whole.size(); at += 3) {
      std::string damaged = whole;
      damaged[at] = static_cast<char>(damaged[at] ^ 4);
      write("epoch_1/" + entry.path().filename().string(), damaged);
      const Error e = error_of([&] {
        const CheckpointReader reader(dir_ / "epoch_1");
        reader.verify();
        read_state(dir_ / "epoch_1");
      });
      EXPECT_NE(e.code(), STRATA_OK) << entry.path() << ", byte " << at;
      EXPECT_THAT(e.message(), HasSubstr(entry.path().filename().string())) << "byte " << at;
    }
    write("epoch_1/" + entry.path().filename().string(), whole);
  }
}

TEST_F(CheckpointDir, MakesTheFoldersAboveIt) {
  save(dir_ / "a/b/epoch_1", "");

  EXPECT_NO_THROW(read_index(dir_ / "a/b/epoch_1"));
}

TEST_F(CheckpointDir, ReplacesOneOfTheSameName) {
  save(dir_ / "epoch_1", "old");

  save(dir_ / "epoch_1", "new");

  EXPECT_EQ(note_of(dir_ / "epoch_1"), "new");
  EXPECT_THAT(names(), UnorderedElementsAre("epoch_1"));
}

TEST_F(CheckpointDir, SaysWhatAFullDiskWouldHaveNeededAndLeavesTheOldOne) {
  save(dir_ / "epoch_1", "old");
  const std::vector<float> large(1 << 20);

  const FileSizeLimit limit(64 << 10);
  const Error e = error_of([&] {
    const NewCheckpoint made(dir_ / "epoch_1");
    write_shard(made.folder(),
                "model.safetensors",
                {{"large",
                  STRATA_F32,
                  {1 << 20},
                  Kind::kParam,
                  0,
                  1 << 20,
                  std::as_bytes(std::span(large)).data()}});
  });

  EXPECT_EQ(e.code(), STRATA_E_IO);
  EXPECT_THAT(
      e.message(),
      AllOf(HasSubstr("model.safetensors"), HasSubstr("needs 4194"), HasSubstr("File too large")));
  EXPECT_EQ(note_of(dir_ / "epoch_1"), "old");
  EXPECT_THAT(names(), UnorderedElementsAre("epoch_1"));
}

TEST_F(CheckpointDir, IsNotThereUnlessItWasPublished) {
  {
    const NewCheckpoint made(dir_ / "epoch_1");
    std::ignore = write_ranks(made.folder());
  }
  EXPECT_TRUE(fs::is_empty(dir_));
}

TEST_F(CheckpointDir, RefusesAFileInItsPlace) {
  write("epoch_1", "mine");

  const Error e = error_of([&] { save(dir_ / "epoch_1", ""); });

  EXPECT_EQ(e.code(), STRATA_E_IO);
  EXPECT_THAT(e.message(), HasSubstr("a file that is no checkpoint has that name"));
  EXPECT_EQ(read(dir_ / "epoch_1"), "mine");
}

TEST_F(CheckpointDir, RefusesToReplaceAFolderThatIsNoCheckpoint) {
  fs::create_directory(dir_ / "epoch_1");
  write("epoch_1/notes", "mine");

  EXPECT_THAT(error_of([&] { save(dir_ / "epoch_1", ""); }).message(),
              HasSubstr("a folder that is no checkpoint"));
  EXPECT_EQ(read(dir_ / "epoch_1/notes"), "mine");
}

TEST_F(CheckpointDir, RefusesAFileWhereTheFolderAboveShouldBe) {
  write("work", "mine");

  const Error e = error_of([&] { save(dir_ / "work/epoch_1", ""); });

  EXPECT_EQ(e.code(), STRATA_E_IO);
  EXPECT_THAT(e.message(), HasSubstr("Not a directory"));
}

TEST_F(CheckpointDir, RemovesWhatAKilledProcessLeftUnfinished) {
  fs::create_directory(dir_ / (".epoch_7.tmp-" + dead_));
  fs::create_directory(dir_ / (".epoch_8.tmp-" + alive_));  // alive: may be saving now

  save(dir_ / "epoch_1", "");

  EXPECT_THAT(names(), UnorderedElementsAre("epoch_1", ".epoch_8.tmp-" + alive_));
}

// Whether its process lives cannot be asked from here.
TEST_F(CheckpointDir, LeavesAloneForADayWhatAnotherHostIsWriting) {
  for (const char* name :
       {".epoch_7.tmp-other-7", ".epoch_8.tmp-other-8", ".epoch_9.old-other-9"}) {
    fs::create_directory(dir_ / name);
    write(name + std::string("/file"), "");
  }
  const auto old = fs::file_time_type::clock::now() - std::chrono::hours(25);
  fs::last_write_time(dir_ / ".epoch_7.tmp-other-7/file", old);
  fs::last_write_time(dir_ / ".epoch_7.tmp-other-7", old);
  fs::last_write_time(dir_ / ".epoch_8.tmp-other-8", old);  // but not its file

  save(dir_ / "epoch_1", "");

  EXPECT_THAT(names(),
              UnorderedElementsAre("epoch_1", ".epoch_8.tmp-other-8", ".epoch_9.old-other-9"));
}

TEST_F(CheckpointDir, BringsBackOneThatAKilledProcessMovedAway) {
  save(dir_ / "epoch_1", "first");
  fs::rename(dir_ / "epoch_1", dir_ / (".epoch_1.old-" + dead_));

  save(dir_ / "epoch_2", "");

  EXPECT_EQ(note_of(dir_ / "epoch_1"), "first");
  EXPECT_THAT(names(), UnorderedElementsAre("epoch_1", "epoch_2"));
}

TEST_F(CheckpointDir, RewritesItsStateAlone) {
  save(dir_ / "epoch_1", "old");
  const auto written = fs::last_write_time(dir_ / "epoch_1/index.json");

  rewrite_state(dir_ / "epoch_1", R"({"note": "new"})");

  EXPECT_EQ(note_of(dir_ / "epoch_1"), "new");
  EXPECT_EQ(fs::last_write_time(dir_ / "epoch_1/index.json"), written);
}

TEST_F(CheckpointDir, IsRemovedWhole) {
  save(dir_ / "epoch_1", "");

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
  save(dir_ / "epoch_1", "");
  fs::remove(dir_ / "epoch_1/state.json");

  EXPECT_THAT(error_of([&] { read_state(dir_ / "epoch_1"); }).message(),
              HasSubstr("epoch_1 lacks state.json"));
  EXPECT_THAT(error_of([&] { read_index(dir_ / "epoch_9"); }).message(),
              HasSubstr("no checkpoint folder"));
}

using LastCheckpoint = CheckpointDir;

TEST_F(LastCheckpoint, IsOneLineWithAnAbsolutePath) {
  save(dir_ / "epoch_1", "");

  write_last(dir_, fs::relative(dir_ / "epoch_1"));

  EXPECT_EQ(read(dir_ / "last_checkpoint"), (dir_ / "epoch_1").string() + "\n");
  EXPECT_EQ(find_last(dir_), dir_ / "epoch_1");
}

TEST_F(LastCheckpoint, IsAbsentInANewWorkDir) {
  EXPECT_EQ(find_last(dir_), std::nullopt);
}

TEST_F(LastCheckpoint, IsFoundInAWorkDirThatWasMoved) {
  save(dir_ / "old/epoch_1", "");
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
