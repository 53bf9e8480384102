// Tests of the run's log: formats, ranks, levels, repeated warnings, broken files, the C service.
#include "log/log.hpp"

#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>
#include <unistd.h>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "border/errors.hpp"
#include "border/runtime.hpp"

namespace strata::log {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::ContainsRegex;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

std::string read(const fs::path& path) {
  std::ostringstream out;
  out << std::ifstream(path).rdbuf();
  return out.str();
}

class LogTest : public testing::Test {
 protected:
  void SetUp() override {
    dir_ = fs::temp_directory_path() /
           text("strata_log_",
                ::getpid(),
                "_",
                testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::create_directories(dir_);
  }

  void TearDown() override { fs::remove_all(dir_); }

  [[nodiscard]] Options options(int rank = 0, Level level = Level::kInfo) const {
    return {.rank = rank, .level = level, .dir = dir_, .timestamp = "20240131_235959"};
  }

  [[nodiscard]] fs::path file(const std::string& suffix = "") const {
    return dir_ / ("20240131_235959" + suffix + ".log");
  }

  fs::path dir_;
};

TEST_F(LogTest, WritesTheConsoleLineWithMonthAndDayAndTheFileLineWithTheYear) {
  testing::internal::CaptureStdout();
  Log log(options());
  log.info("loss {:.4f}", 6.1887);
  const std::string console = testing::internal::GetCapturedStdout();

  EXPECT_THAT(
      console,
      ContainsRegex(
          "^[0-9]{2}/[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2} - strata - INFO - loss 6.1887\n$"));
  EXPECT_THAT(read(file()),
              ContainsRegex("^[0-9]{4}/[0-9]{2}/[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2} - strata - "
                            "INFO - loss 6.1887\n$"));
}

TEST_F(LogTest, AppendsToAFileThatExists) {
  std::ofstream(file()) << "before\n";

  testing::internal::CaptureStdout();
  Log(options()).info("after");
  testing::internal::GetCapturedStdout();

  EXPECT_THAT(read(file()), AllOf(testing::StartsWith("before\n"), EndsWith("after\n")));
}

TEST_F(LogTest, HasEachInfoLineInTheFileAtOnce) {
  testing::internal::CaptureStdout();
  Log log(options());
  log.info("one");

  EXPECT_THAT(read(file()), EndsWith("one\n"));
  testing::internal::GetCapturedStdout();
}

TEST_F(LogTest, ShowsOnlyErrorsOfOtherRanksAndNamesTheRank) {
  testing::internal::CaptureStdout();
  Log log(options(3));
  log.info("quiet");
  log.warn("quiet");
  log.error("loud");
  const std::string console = testing::internal::GetCapturedStdout();

  EXPECT_THAT(console, AllOf(HasSubstr("ERROR - [rank 3] loud\n"), Not(HasSubstr("quiet"))));
  EXPECT_FALSE(log.enabled(Level::kWarning));
  EXPECT_FALSE(fs::exists(file("_rank3")));
  EXPECT_THAT(log.file().string(), IsEmpty());
}

TEST_F(LogTest, GivesEveryRankAFileAtDebug) {
  testing::internal::CaptureStdout();
  {
    Log log(options(3, Level::kDebug));
    log.debug("detail");
  }
  const std::string console = testing::internal::GetCapturedStdout();

  EXPECT_THAT(console, IsEmpty());
  EXPECT_THAT(read(file("_rank3")), HasSubstr("strata - DEBUG - detail\n"));
}

TEST_F(LogTest, DropsWhatIsBelowTheLevel) {
  testing::internal::CaptureStdout();
  Log log(options(0, Level::kWarning));
  log.info("quiet");
  log.warn("loud");
  const std::string console = testing::internal::GetCapturedStdout();

  EXPECT_THAT(console, AllOf(HasSubstr("WARNING - loud"), Not(HasSubstr("quiet"))));
  EXPECT_THAT(read(file()), Not(HasSubstr("quiet")));
}

TEST_F(LogTest, WritesEqualWarningsOnce) {
  testing::internal::CaptureStdout();
  Log log(options());
  log.warn("slow disk");
  log.warn("slow disk");
  log.warn("slow net");
  log.info("twice");
  log.info("twice");
  testing::internal::GetCapturedStdout();
  const std::string lines = read(file());

  EXPECT_EQ(lines.find("slow disk"), lines.rfind("slow disk"));
  EXPECT_THAT(lines, HasSubstr("slow net"));
  EXPECT_NE(lines.find("twice"), lines.rfind("twice"));
}

TEST_F(LogTest, KeepsBracesAndSeveralLinesOfAMessage) {
  testing::internal::CaptureStdout();
  Log log(options());
  log.write(Level::kInfo, "Config:\na = {1}\nb = 2");

  EXPECT_THAT(testing::internal::GetCapturedStdout(), EndsWith("INFO - Config:\na = {1}\nb = 2\n"));
}

TEST_F(LogTest, NamesThePlaceOfAnError) {
  testing::internal::CaptureStdout();
  Log log(options());
  log.error(config_error("a.toml:3:1", "unknown key \"lrr\""));

  EXPECT_THAT(testing::internal::GetCapturedStdout(),
              EndsWith("ERROR - a.toml:3:1: unknown key \"lrr\"\n"));
}

TEST_F(LogTest, ReportsAFullDiskOnceAndGoesOn) {
  fs::create_symlink("/dev/full", file());

  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  {
    Log log(options());
    log.info("one");
    log.info("two");
  }
  const std::string console = testing::internal::GetCapturedStdout();
  const std::string errors = testing::internal::GetCapturedStderr();

  EXPECT_THAT(console, AllOf(HasSubstr("one"), HasSubstr("two")));
  EXPECT_THAT(errors, AllOf(HasSubstr(file().string()), HasSubstr("No space left on device")));
  EXPECT_EQ(errors.find("incomplete"), errors.rfind("incomplete"));
}

TEST_F(LogTest, ReportsAFileThatCannotBeOpenedAndGoesOn) {
  std::ofstream(dir_ / "plain") << "not a folder";
  Options broken = options();
  broken.dir = dir_ / "plain";

  testing::internal::CaptureStdout();
  Log log(broken);
  log.info("still here");
  const std::string console = testing::internal::GetCapturedStdout();

  EXPECT_THAT(console,
              AllOf(HasSubstr("no log file"),
                    HasSubstr("plain/20240131_235959.log"),
                    HasSubstr("still here")));
  EXPECT_THAT(log.file().string(), IsEmpty());
}

TEST_F(LogTest, KeepsLinesOfSeveralThreadsWhole) {
  testing::internal::CaptureStdout();
  Log log(options());
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&log] {
      for (int i = 0; i < 50; ++i) {
        log.info("0123456789");
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  testing::internal::GetCapturedStdout();

  std::ifstream lines(file());
  std::string line;
  int whole = 0;
  while (std::getline(lines, line)) {
    whole += line.ends_with(" - strata - INFO - 0123456789") ? 1 : 0;
  }
  EXPECT_EQ(whole, 200);
}

TEST(LogLevel, IsReadFromTheConfigByItsName) {
  EXPECT_EQ(parse_level("WARNING"), Level::kWarning);
}

TEST(LogLevel, NamesThePlaceAndTheChoicesWhenUnknown) {
  try {
    parse_level("LOUD", "a.toml:1:1");
    FAIL() << "accepted";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), STRATA_E_CONFIG);
    EXPECT_STREQ(e.what(),
                 "a.toml:1:1: log_level is \"LOUD\"; it can be DEBUG, INFO, WARNING or ERROR");
  }
}

TEST(LogService, WritesToTheLogOfTheRun) {
  testing::internal::CaptureStdout();
  Log log;
  strata_runtime rt;
  rt.log = &log;
  log_service()->write(&rt, STRATA_LOG_INFO, border::view(std::string_view("from a plugin")));

  EXPECT_THAT(testing::internal::GetCapturedStdout(), EndsWith("INFO - from a plugin\n"));
  EXPECT_EQ(log_service()->enabled(&rt, STRATA_LOG_DEBUG), 0);
  EXPECT_EQ(log_service()->enabled(&rt, STRATA_LOG_INFO), 1);
}

TEST(LogService, WritesToStderrWithoutARun) {
  testing::internal::CaptureStderr();
  strata_runtime rt;
  log_service()->write(nullptr, STRATA_LOG_WARNING, border::view(std::string_view("early")));
  log_service()->write(&rt, 99, border::view(std::string_view("of a level from the future")));
  log_service()->write(nullptr, STRATA_LOG_DEBUG, border::view(std::string_view("hidden")));

  EXPECT_EQ(testing::internal::GetCapturedStderr(),
            "strata - WARNING - early\nstrata - ERROR - of a level from the future\n");
}

}  // namespace
}  // namespace strata::log
