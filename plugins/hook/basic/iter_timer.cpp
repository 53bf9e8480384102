// Wall-clock time of iterations, and the estimate of what remains.
#include "hooks.hpp"

namespace strata::hook_basic {
namespace {

constexpr std::string_view mode_name(int32_t mode) {
  return mode == STRATA_MODE_TRAIN ? "train" : mode == STRATA_MODE_VAL ? "val" : "test";
}

}  // namespace

uint64_t IterTimerHook::points() const {
  return bit(STRATA_POINT_BEFORE_TRAIN) | bit(STRATA_POINT_BEFORE_TRAIN_EPOCH) |
         bit(STRATA_POINT_BEFORE_TRAIN_ITER) | bit(STRATA_POINT_AFTER_TRAIN_ITER) |
         bit(STRATA_POINT_BEFORE_VAL_EPOCH) | bit(STRATA_POINT_BEFORE_VAL_ITER) |
         bit(STRATA_POINT_AFTER_VAL_ITER) | bit(STRATA_POINT_AFTER_VAL) |
         bit(STRATA_POINT_BEFORE_TEST_EPOCH) | bit(STRATA_POINT_BEFORE_TEST_ITER) |
         bit(STRATA_POINT_AFTER_TEST_ITER);
}

double IterTimerHook::since_mark() const {
  return std::chrono::duration<double>(Clock::now() - mark_).count();
}

void IterTimerHook::update(std::string_view what, double seconds) const {
  std::string key(mode_name(progress().mode));
  key.append("/").append(what);
  check(hub().update_scalar(runtime(), view(std::string_view(key)), seconds, 1, 1));
}

void IterTimerHook::after_iter(const HookContext& context) {
  const double seconds = since_mark();
  mark_ = Clock::now();
  update("time", seconds);

  const strata_progress p = progress();
  double& total = p.mode == STRATA_MODE_TRAIN ? train_seconds_ : eval_seconds_;
  total += seconds;
  const int64_t done =
      p.mode == STRATA_MODE_TRAIN ? p.iter - start_iter_ + 1 : context.batch_idx() + 1;
  const int64_t left = p.mode == STRATA_MODE_TRAIN ? p.max_iters - p.iter - 1
                                                   : p.loop_length - context.batch_idx() - 1;
  const double eta = total / static_cast<double>(done) * static_cast<double>(left);
  check(hub().set_number(runtime(), view("eta"), eta, 0));
}

void IterTimerHook::on(int32_t point, const HookContext& context) {
  switch (point) {
    case STRATA_POINT_BEFORE_TRAIN:
      start_iter_ = progress().iter;
      train_seconds_ = 0;
      return;
    case STRATA_POINT_BEFORE_VAL_EPOCH:
    case STRATA_POINT_BEFORE_TEST_EPOCH:
      eval_seconds_ = 0;
      [[fallthrough]];
    case STRATA_POINT_BEFORE_TRAIN_EPOCH:
    case STRATA_POINT_AFTER_VAL:  // in an iteration loop training goes on without a new epoch
      mark_ = Clock::now();
      return;
    case STRATA_POINT_BEFORE_TRAIN_ITER:
    case STRATA_POINT_BEFORE_VAL_ITER:
    case STRATA_POINT_BEFORE_TEST_ITER:
      return update("data_time", since_mark());
    default:
      return after_iter(context);
  }
}

}  // namespace strata::hook_basic
