// Tests of the run as plugins reach it: old headers, errors, missing values.
#include <cstddef>
#include <cstring>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "border/errors.hpp"
#include "border/runtime.hpp"
#include "hooks/run_control.hpp"

namespace strata::hooks {
namespace {

using testing::Return;
using testing::ReturnRef;

class MockRun : public RunControl {
 public:
  MOCK_METHOD(int32_t, rank, (), (const, override));
  MOCK_METHOD(int32_t, world_size, (), (const, override));
  MOCK_METHOD(strata_progress, progress, (), (const, override));
  MOCK_METHOD(const std::string&, work_dir, (), (const, override));
  MOCK_METHOD(const std::string&, log_dir, (), (const, override));
  MOCK_METHOD(const std::string&, experiment_name, (), (const, override));
  MOCK_METHOD(int64_t, seed, (), (const, override));
  MOCK_METHOD(std::optional<double>, hyper, (std::string_view), (override));
  MOCK_METHOD(std::optional<double>, base_lr, (), (override));
  MOCK_METHOD(void, set_sampler_epoch, (int64_t), (override));
  MOCK_METHOD(void, scheduler_step, (int32_t), (override));
  MOCK_METHOD(void, stop_training, (std::string_view), (override));
  MOCK_METHOD(void, save_checkpoint, (const SaveRequest&), (override));
  MOCK_METHOD(void, refresh_checkpoint, (std::string_view, std::string_view), (override));
  MOCK_METHOD(void, remove_checkpoint, (std::string_view, std::string_view), (override));
  MOCK_METHOD(std::string,
              publish_checkpoint,
              (std::string_view, std::string_view, const std::vector<std::string>&),
              (override));
  MOCK_METHOD(LogLine, log_after_iter, (int64_t, int32_t), (override));
  MOCK_METHOD(LogLine, log_after_epoch, (int64_t, int32_t), (override));
  MOCK_METHOD(void, add_scalars, (const Scalars&, int64_t), (override));
};

class RunnerService : public testing::Test {
 protected:
  RunnerService() { runtime_.run = &run_; }

  testing::NiceMock<MockRun> run_;
  strata_runtime runtime_;
  const strata_runner_api& api_ = *runner_service();
};

TEST_F(RunnerService, FillsOnlyWhatAnOlderPluginKnowsOfTheProgress) {
  strata_progress now = {};
  now.epoch = 3;
  now.iter = 70;
  EXPECT_CALL(run_, progress()).WillOnce(Return(now));
  strata_progress out;
  std::memset(&out, 0x55, sizeof(out));
  const strata_progress untouched = out;
  out.h = STRATA_HDR(strata_progress);
  out.h.struct_size = offsetof(strata_progress, iter);

  ASSERT_EQ(api_.progress(&runtime_, &out), STRATA_OK);

  EXPECT_EQ(out.epoch, 3);
  EXPECT_EQ(out.iter, untouched.iter);
  EXPECT_EQ(out.h.struct_size, offsetof(strata_progress, iter));
}

TEST_F(RunnerService, RefusesAProgressWithoutHeader) {
  strata_progress out = {};

  EXPECT_EQ(api_.progress(&runtime_, &out), STRATA_E_ARGUMENT);
}

TEST_F(RunnerService, SaysThatAHyperParameterIsMissing) {
  EXPECT_CALL(run_, hyper(std::string_view("beta9"))).WillOnce(Return(std::nullopt));
  double out = 5;

  EXPECT_EQ(api_.hyper(&runtime_, border::view("beta9"), &out), STRATA_E_NOT_FOUND);
  EXPECT_EQ(out, 5);
}

TEST_F(RunnerService, TurnsAnExceptionOfTheRunIntoACodeAndARecord) {
  EXPECT_CALL(run_, stop_training).WillOnce(testing::Throw(Error(STRATA_E_COMM, "rank 1 is gone")));

  const strata_rc rc = api_.stop_training(&runtime_, border::view("done"));

  EXPECT_EQ(rc, STRATA_E_COMM);
  strata_str message{};
  strata_str where{};
  strata_rc code = STRATA_OK;
  border::error_service()->last(&code, &message, &where);
  EXPECT_EQ(border::view(message), "rank 1 is gone");
}

TEST_F(RunnerService, HandsTextsOfTheRunOutWithoutCopying) {
  const std::string dir = "/runs/resnet";
  EXPECT_CALL(run_, work_dir()).WillOnce(ReturnRef(dir));

  EXPECT_EQ(api_.work_dir(&runtime_).p, dir.data());
}

}  // namespace
}  // namespace strata::hooks
