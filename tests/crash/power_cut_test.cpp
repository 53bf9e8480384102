// Whenever the power goes, last_checkpoint leads to the newest checkpoint that was published, whole; and it takes every
// sync that the code makes.
#include <csignal>
#include <regex>

#include <gtest/gtest.h>

#include "scenario.hpp"

namespace strata::test {
namespace {

/// Judges trees; the same one only once.
class Judge {
 public:
  explicit Judge(const Scenario& scenario) : scenario_(scenario) {}

  const Found& look_at(const Tree& tree) {
    Tree visible;
    for (const auto& [path, content] : tree) {
      const bool hidden = path.find("/.") != std::string::npos;
      if (!hidden || path.find(".old-") != std::string::npos) {
        visible.insert({path, content});
      }
    }
    const auto [found, is_new] = seen_.try_emplace(visible);
    if (is_new) {
      write_tree(scenario_.disk(), tree);
      found->second = look(scenario_.work_dir());
    }
    return found->second;
  }

  [[nodiscard]] size_t trees() const { return seen_.size(); }

 private:
  const Scenario& scenario_;
  std::map<Tree, Found> seen_;
};

/// With and without a file system that can exchange two names.
class PowerCut : public testing::TestWithParam<bool> {
 protected:
  void run_driver(const Scenario::Environment& more = {},
                  const std::vector<std::string>& args = {}) {
    Scenario::Environment env = more;
    env.emplace_back(kNoExchange, GetParam() ? "0" : "1");
    const Outcome outcome = run(scenario_.driver(env, args));
    ASSERT_EQ(outcome.code, more.empty() ? 0 : 128 + SIGKILL) << outcome.err;
    journal_ = scenario_.journal();
  }

  /// The first thing that a power cut breaks after `begin` records; empty when none does.
  /// lost: a sync that is not made.
  std::string first_failure(size_t begin, std::optional<size_t> lost = std::nullopt) {
    Disk disk;
    std::string out;
    for (size_t i = 0; i < journal_.size() && out.empty(); ++i) {
      disk.apply(journal_[i], lost == i);
      if (i < begin) {
        continue;
      }
      const Progress progress = progress_of(journal_, i + 1);
      disk.for_each_after_power_cut([&](const Tree& tree) {
        ++cases_;
        if (const std::string why = complaint(judge_.look_at(tree), progress);
            out.empty() && !why.empty()) {
          out = "after " + describe(journal_, i) + ": " + why;
        }
      });
    }
    return out;
  }

  static bool moves_folder(const Record& record) {
    const std::string to = std::filesystem::path(record.path2).filename();
    return record.op == FileOp::kExchange ||
           (record.op == FileOp::kRename && to != "last_checkpoint" && to != "state.json");
  }

  [[nodiscard]] bool is_sync(size_t record) const {
    return journal_[record].op == FileOp::kSync && journal_[record].error == 0;
  }

  /// "write work/.iter_#.tmp-#/model.safetensors, sync": numbers stand for any.
  [[nodiscard]] std::string place_of_sync(size_t record) const {
    const Record& open = journal_[static_cast<size_t>(journal_[record].handle)];
    size_t last = record - 1;
    while (last > 0 && !changes(journal_[last], open)) {
      --last;
    }
    const std::string text = describe(journal_, last);
    static const std::regex numbers("[0-9]+");
    return std::regex_replace(text.substr(text.find(' ') + 1), numbers, "#") + ", sync";
  }

  /// Whether it changed a file's content, or a folder's names.
  [[nodiscard]] bool changes(const Record& record, const Record& open) const {
    switch (record.op) {
      case FileOp::kOpen:
      case FileOp::kSync:
      case FileOp::kClose:
      case FileOp::kReserve:
      case FileOp::kMark:
        return false;
      case FileOp::kWrite:
      case FileOp::kTruncate:
        return journal_[static_cast<size_t>(record.handle)].path == open.path;
      default:
        return std::filesystem::path(record.path).parent_path() == open.path;
    }
  }

  Scenario scenario_;
  std::vector<Record> journal_;
  Judge judge_{scenario_};
  size_t cases_ = 0;
};

TEST_P(PowerCut, IsSurvivedAtEveryOperation) {
  run_driver();
  const Tree real = read_tree(scenario_.disk());
  Disk disk;
  for (const Record& record : journal_) {
    disk.apply(record);
  }

  EXPECT_EQ(disk.now(), real) << "the journal does not tell all";
  EXPECT_EQ(first_failure(0), "");
  EXPECT_GT(cases_, 1000U);
}

// A line of the code makes several records, by which they are told apart: what is synced after which change of it.
// That one of them is needed is enough, as when last_checkpoint is written again with the same content.
TEST_P(PowerCut, NeedsEverySync) {
  run_driver();
  std::map<std::string, bool> needed;
  for (size_t i = 0; i < journal_.size(); ++i) {
    if (is_sync(i)) {
      bool& any = needed[place_of_sync(i)];
      any = any || !first_failure(i, i).empty();
    }
  }

  EXPECT_GE(needed.size(), 8U);
  for (const auto& [place, is_needed] : needed) {
    EXPECT_TRUE(is_needed) << "nothing depends on it: " << place;
  }
}

// What the killed process left without a sync is still without one when the next tidies up.
TEST_P(PowerCut, IsSurvivedByTheRunAfterAKilledOne) {
  run_driver();
  const std::vector<Record> whole = journal_;
  int kills = 0;

  for (size_t i = 1; i < whole.size(); ++i) {
    if (!moves_folder(whole[i - 1])) {
      continue;
    }
    scenario_.reset();
    run_driver({{kKillAt, std::to_string(i)}});
    run_driver({}, {"100", "iter_100"});
    EXPECT_EQ(first_failure(i), "") << "killed at " << describe(whole, i);
    ++kills;
  }
  EXPECT_GE(kills, 6);
}

INSTANTIATE_TEST_SUITE_P(FileSystem, PowerCut, testing::Bool(), [](const auto& of) {
  return of.param ? "WithExchange" : "WithoutExchange";
});

}  // namespace
}  // namespace strata::test
