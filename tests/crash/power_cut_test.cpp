// Whenever the power goes, last_checkpoint leads to the newest checkpoint that was published, whole; and it takes every
// sync that the code makes.
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
      if (path.find("/.") == std::string::npos) {
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

class PowerCut : public testing::Test {
 protected:
  void SetUp() override {
    const Outcome outcome = run(scenario_.driver());
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    journal_ = scenario_.journal();
  }

  /// The first thing that a power cut breaks; empty when none does. `lost`: a sync that is not made.
  std::string first_failure(std::optional<size_t> lost = std::nullopt) {
    Disk disk;
    std::string out;
    for (size_t i = 0; i < journal_.size() && out.empty(); ++i) {
      disk.apply(journal_[i], lost == i);
      if (i < lost.value_or(0)) {
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

TEST_F(PowerCut, IsSurvivedAtEveryOperation) {
  const Tree real = read_tree(scenario_.disk());
  Disk disk;
  for (const Record& record : journal_) {
    disk.apply(record);
  }

  EXPECT_EQ(disk.now(), real) << "the journal does not tell all";
  EXPECT_EQ(first_failure(), "");
  EXPECT_GT(cases_, 1000U);
  RecordProperty("cases", std::to_string(cases_));
  RecordProperty("trees", std::to_string(judge_.trees()));
}

// A line of the code makes several records, by which they are told apart: what is synced after which change of it.
// That one of them is needed is enough, as when last_checkpoint is written again with the same content.
TEST_F(PowerCut, NeedsEverySync) {
  std::map<std::string, bool> needed;
  for (size_t i = 0; i < journal_.size(); ++i) {
    if (is_sync(i)) {
      bool& any = needed[place_of_sync(i)];
      any = any || !first_failure(i).empty();
    }
  }

  EXPECT_GE(needed.size(), 8U);
  for (const auto& [place, is_needed] : needed) {
    EXPECT_TRUE(is_needed) << "nothing depends on it: " << place;
  }
}

}  // namespace
}  // namespace strata::test
