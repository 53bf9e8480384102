// A disk that fails, at any operation, costs no checkpoint that was there, and the message says which file and why.
#include <cerrno>
#include <cstring>

#include <gmock/gmock.h>

#include "scenario.hpp"

namespace strata::test {
namespace {

struct Case {
  const char* name;
  int error;
  const char* when;         // one operation fails, or all from there on
  const char* no_exchange;  // "1": with a file system that cannot exchange two names
};

class FailingDisk : public testing::TestWithParam<Case> {
 protected:
  void expect_report(const Outcome& outcome, const std::string& moment) const {
    EXPECT_EQ(outcome.code, 1) << moment;
    EXPECT_THAT(outcome.err, testing::HasSubstr(std::strerror(GetParam().error))) << moment;
    EXPECT_THAT(outcome.err, testing::HasSubstr(scenario_.disk().string())) << moment;
  }

  void expect_nothing_lost(const std::string& moment) const {
    const std::vector<Record> journal = scenario_.journal();
    EXPECT_EQ(complaint(look(scenario_.work_dir()), progress_of(journal, journal.size())), "")
        << moment;
  }

  /// Once the disk is well again.
  void expect_going_on(const std::string& moment) const {
    const Outcome next = run(scenario_.driver({}, {"100", "iter_100"}));
    EXPECT_EQ(next.code, 0) << moment << ": " << next.err;
    EXPECT_THAT(look(scenario_.work_dir()).last, testing::Optional(100)) << moment;
    EXPECT_THAT(leftovers(scenario_.work_dir()), testing::IsEmpty()) << moment;
  }

  Scenario scenario_;
};

/// Those that a save can do without: room is only asked for early, and what stays behind goes with the next save.
bool may_fail(FileOp op) {
  return op == FileOp::kReserve || op == FileOp::kOpen || op == FileOp::kClose ||
         op == FileOp::kUnlink || op == FileOp::kRemoveFolder || op == FileOp::kMark;
}

TEST_P(FailingDisk, LosesNothingAndSaysWhy) {
  ASSERT_EQ(run(scenario_.driver()).code, 0);
  const size_t operations = scenario_.journal().size();
  int reports = 0;

  for (size_t i = 0; i < operations; ++i) {
    scenario_.reset();
    const Outcome outcome = run(scenario_.driver({{GetParam().when, std::to_string(i)},
                                                  {kFailErrno, std::to_string(GetParam().error)},
                                                  {kNoExchange, GetParam().no_exchange}}));
    const std::vector<Record> journal = scenario_.journal();
    ASSERT_GT(journal.size(), i);
    const std::string moment = describe(journal, i);

    if (journal[i].error == GetParam().error && !may_fail(journal[i].op)) {
      expect_report(outcome, moment);
      ++reports;
      if (GetParam().when == kFailAt &&
          journal[i].op != FileOp::kSync) {  // what was replaced stays until a sync
        EXPECT_THAT(leftovers(scenario_.work_dir()), testing::IsEmpty()) << moment;
      }
    }
    expect_nothing_lost(moment);
    if (i % 16 == 0 || !leftovers(scenario_.work_dir()).empty()) {
      expect_going_on(moment);
    }
  }
  EXPECT_GT(reports, 20);
}

INSTANTIATE_TEST_SUITE_P(Disk,
                         FailingDisk,
                         testing::Values(Case{"Full", ENOSPC, kFailFrom, "0"},
                                         Case{"ReadOnly", EROFS, kFailFrom, "0"},
                                         Case{"Broken", EIO, kFailFrom, "0"},
                                         Case{"BrokenForAMoment", EIO, kFailAt, "1"}),
                         [](const auto& of) { return of.param.name; });

}  // namespace
}  // namespace strata::test
