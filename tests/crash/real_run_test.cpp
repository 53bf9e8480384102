// `strata train` on a disk that fails, killed while it saves, and with a spoilt checkpoint to go on from.
#include <cerrno>
#include <csignal>
#include <cstring>

#include "journal.hpp"
#include "scene.hpp"

namespace strata::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kSavesEachIteration =
    "train_cfg = { by_epoch = false, max_iters = 400 }\n"
    "[default_hooks]\ncheckpoint = { interval = 1, max_keep_ckpts = 2 }\n";

class RealRun : public Scene {
 protected:
  using Environment = std::vector<std::pair<std::string, std::string>>;

  /// strata train CONFIG --work-dir work …, watched.
  [[nodiscard]] Outcome watched(const std::string& config,
                                Environment env,
                                const std::vector<std::string>& more = {}) const {
    Start start = strata({"train", config, "--work-dir", "work"});
    start.args.insert(start.args.end(), more.begin(), more.end());
    start.env.insert(start.env.end(), env.begin(), env.end());
    start.env.emplace_back("LD_PRELOAD", FILE_JOURNAL);
    start.env.emplace_back(kWatchFolder, fs::canonical(path()).string() + "/work");
    start.env.emplace_back(kJournalFile, path("journal").string());
    const char* const asan = std::getenv("ASAN_OPTIONS");
    start.env.emplace_back("ASAN_OPTIONS",
                           std::string(asan == nullptr ? "" : asan) + ":verify_asan_link_order=0");
    return run(start);
  }

  /// The iteration of the checkpoint that last_checkpoint names, which a run can go on from.
  [[nodiscard]] int last_iteration() const {
    const std::string line = read_text(path("work/last_checkpoint"));
    return std::stoi(line.substr(line.find("iter_") + std::strlen("iter_")));
  }
};

TEST_F(RealRun, StopsSoonAfterAFullDiskAndKeepsTheCheckpointBefore) {
  const Outcome outcome = watched(
      config(kSavesEachIteration),
      {{kFailFrom, "0"}, {kFailErrno, std::to_string(ENOSPC)}, {kFailPath, "iter_3.tmp-.+/model"}});

  EXPECT_EQ(outcome.code, 1) << outcome.err;
  EXPECT_THAT(outcome.err,
              AllOf(HasSubstr("No space left on device"),
                    HasSubstr(path("work/.iter_3.tmp-").string()),
                    HasSubstr("model.safetensors")));
  EXPECT_EQ(last_iteration(), 2);
  EXPECT_LE(series("work", "iter").back(), 5);  // the next steps, not the 400th
  train(config(kThreeIterations, "on"), "work", {"--resume"});
}

TEST_F(RealRun, IsToldByEachRankWhoseDiskFails) {
  const Outcome outcome =
      watched(config(kSavesEachIteration),
              {{kFailFrom, "0"}, {kFailErrno, std::to_string(EIO)}, {kFailPath, "-00002-of-00002"}},
              {"--nproc", "2"});

  EXPECT_EQ(outcome.code, 1) << outcome.err;
  EXPECT_THAT(outcome.err,
              AllOf(HasSubstr("Input/output error"),
                    HasSubstr("rank 1"),
                    HasSubstr("-00002-of-00002.safetensors")));
  EXPECT_FALSE(fs::exists(path("work/last_checkpoint")));
}

// Killed at each of a few operations on the third checkpoint's files; the number counts those of all ranks.
TEST_F(RealRun, GoesOnAfterAKillDuringASave) {
  const std::string file = config(
      "train_cfg = { by_epoch = false, max_iters = 4 }\n"
      "[default_hooks]\ncheckpoint = { interval = 1 }\n");
  ASSERT_EQ(watched(file, {}, {"--nproc", "2"}).code, 0);
  std::vector<size_t> moments;
  const std::vector<Record> journal = read_journal(path("journal"));
  for (size_t i = 0; i < journal.size(); ++i) {
    if (journal[i].path.find("iter_3") != std::string::npos) {
      moments.push_back(i);
    }
  }
  ASSERT_GT(moments.size(), 8U);

  for (size_t i = 1; i < moments.size(); i += moments.size() / 3) {
    fs::remove_all(path("work"));
    fs::remove(path("journal"));
    const Outcome killed = watched(file, {{kKillAt, std::to_string(moments[i])}}, {"--nproc", "2"});
    EXPECT_NE(killed.code, 0) << killed.err;
    EXPECT_GE(last_iteration(), 2);

    train(file, "work", {"--nproc", "2", "--resume"});

    EXPECT_EQ(last_iteration(), 4);
    for (const auto& entry : fs::directory_iterator(path("work"))) {
      EXPECT_THAT(entry.path().filename().string(), Not(HasSubstr(".tmp-")));
    }
  }
}

struct Damage {
  const char* file;
  const char* cause;
  std::string (*spoil)(const std::string& content);
};

class SpoiltCheckpoint : public RealRun {};

// Where bytes are not compared, what is wrong in the structure is found all the same.
TEST_F(SpoiltCheckpoint, IsReadUnlessTheStructureTellsWhenBytesAreNotCompared) {
  train(config(), "first");
  const fs::path file = path("first/iter_3/optimizer.safetensors");
  std::string content = read_text(file);
  content[content.size() / 2] = static_cast<char>(content[content.size() / 2] ^ 4);
  const auto resumed = [&](const char* work) {
    return run_strata({"train",
                       config(),
                       "--work-dir",
                       work,
                       "--resume",
                       "first/iter_3",
                       "--cfg-options",
                       "load_cfg.verify=false"});
  };

  write_text(file, content);
  const Outcome flipped = resumed("second");
  write_text(file, content.substr(0, content.size() - 1));
  const Outcome cut = resumed("third");

  EXPECT_EQ(flipped.code, 0) << flipped.err;
  EXPECT_EQ(cut.code, 2) << cut.err;
  EXPECT_THAT(cut.err, AllOf(HasSubstr("optimizer.safetensors"), HasSubstr("bytes")));
  EXPECT_FALSE(fs::exists(path("third")));
}

// All of it before the run begins: exit code 2, and no work_dir.
TEST_F(SpoiltCheckpoint, IsNoStartForARun) {
  const auto flip = [](const std::string& content) {
    std::string out = content;
    out[out.size() / 2] = static_cast<char>(out[out.size() / 2] ^ 4);
    return out;
  };
  const auto cut = [](const std::string& content) { return content.substr(0, content.size() / 2); };
  const auto absurd = [](const std::string& content) {
    return std::string(8, '\xff') + content.substr(8);
  };
  const std::vector<Damage> damages = {{"model.safetensors", "checksum", flip},
                                       {"optimizer.safetensors", "checksum", flip},
                                       {"index.json", "checksum", flip},
                                       {"state.json", "checksum", flip},
                                       {"model.safetensors", "bytes", cut},
                                       {"index.json", "cut short", cut},
                                       {"state.json", "cut short", cut},
                                       {"model.safetensors", "header", absurd}};
  train(config(), "first");
  for (const Damage& damage : damages) {
    const fs::path file = path("first/iter_3") / damage.file;
    const std::string good = read_text(file);
    write_text(file, damage.spoil(good));

    const Outcome outcome =
        run_strata({"train", config(), "--work-dir", "second", "--resume", "first/iter_3"});

    EXPECT_EQ(outcome.code, 2) << outcome.err;
    EXPECT_THAT(outcome.err, AllOf(HasSubstr(damage.file), HasSubstr(damage.cause)));
    EXPECT_FALSE(fs::exists(path("second")));
    write_text(file, good);
  }
}

TEST_F(SpoiltCheckpoint, ThatLacksAFileIsNoStartForARun) {
  train(config(), "first");
  for (const char* name :
       {"model.safetensors", "optimizer.safetensors", "index.json", "state.json"}) {
    const fs::path file = path("first/iter_3") / name;
    fs::rename(file, path("away"));

    const Outcome outcome =
        run_strata({"train", config(), "--work-dir", "second", "--resume", "first/iter_3"});

    EXPECT_EQ(outcome.code, 2) << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr(name));
    EXPECT_FALSE(fs::exists(path("second")));
    fs::rename(path("away"), file);
  }
}

}  // namespace
}  // namespace strata::test
