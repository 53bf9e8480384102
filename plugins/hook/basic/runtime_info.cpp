// Facts and scalars of the message hub.
#include "hooks.hpp"

namespace strata::hook_basic {

uint64_t RuntimeInfoHook::points() const {
  return bit(STRATA_POINT_BEFORE_RUN) | bit(STRATA_POINT_BEFORE_TRAIN) |
         bit(STRATA_POINT_BEFORE_TRAIN_EPOCH) | bit(STRATA_POINT_BEFORE_TRAIN_ITER) |
         bit(STRATA_POINT_AFTER_TRAIN_ITER) | bit(STRATA_POINT_BEFORE_VAL) |
         bit(STRATA_POINT_AFTER_VAL_EPOCH) | bit(STRATA_POINT_AFTER_VAL) |
         bit(STRATA_POINT_BEFORE_TEST) | bit(STRATA_POINT_AFTER_TEST_EPOCH);
}

// Counters and names belong to the process that sets them; a checkpoint has counters of its own.
void RuntimeInfoHook::set_text(std::string_view key, std::string_view value) const {
  check(hub().set_text(runtime(), view(key), view(value), 0));
}

void RuntimeInfoHook::set_number(std::string_view key, double value) const {
  check(hub().set_number(runtime(), view(key), value, 0));
}

void RuntimeInfoHook::update(std::string_view prefix, const HookContext& context) const {
  std::string key;
  for (const strata_named_number& number : context.numbers()) {
    key.assign(prefix).append(view(number.name));
    check(hub().update_scalar(runtime(), view(std::string_view(key)), number.value, 1, 1));
  }
}

void RuntimeInfoHook::before_run() const {
  set_text("experiment_name", view(run().experiment_name(runtime())));
  set_number("seed", static_cast<double>(run().seed(runtime())));
}

void RuntimeInfoHook::before_train() const {
  const strata_progress p = progress();
  set_text("loop_stage", "train");
  set_number("epoch", static_cast<double>(p.epoch));
  set_number("iter", static_cast<double>(p.iter));
  set_number("max_epochs", static_cast<double>(p.max_epochs));
  set_number("max_iters", static_cast<double>(p.max_iters));
}

void RuntimeInfoHook::learning_rates() const {
  double rate = 0;
  if (found(run().base_lr(runtime(), &rate))) {
    check(hub().update_scalar(runtime(), view("train/base_lr"), rate, 1, 1));
  }
  if (found(run().hyper(runtime(), view("lr"), &rate))) {
    check(hub().update_scalar(runtime(), view("train/lr"), rate, 1, 1));
  }
}

void RuntimeInfoHook::on(int32_t point, const HookContext& context) {
  switch (point) {
    case STRATA_POINT_BEFORE_RUN:
      return before_run();
    case STRATA_POINT_BEFORE_TRAIN:
      return before_train();
    case STRATA_POINT_BEFORE_TRAIN_EPOCH:
      return set_number("epoch", static_cast<double>(progress().epoch));
    case STRATA_POINT_BEFORE_TRAIN_ITER:
      set_number("iter", static_cast<double>(progress().iter));
      return learning_rates();
    case STRATA_POINT_AFTER_TRAIN_ITER:
      return update("train/", context);
    case STRATA_POINT_BEFORE_VAL:
      return set_text("loop_stage", "val");
    case STRATA_POINT_AFTER_VAL_EPOCH:
      return update("val/", context);
    case STRATA_POINT_AFTER_VAL:
      return set_text("loop_stage", "train");
    case STRATA_POINT_BEFORE_TEST:
      return set_text("loop_stage", "test");
    default:
      return update("test/", context);
  }
}

}  // namespace strata::hook_basic
