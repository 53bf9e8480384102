// A loss that is no number ends the run, or is reported.
#include <cmath>

#include "hooks.hpp"

namespace strata::hook_basic {
namespace {

const char* kind_of(double value) {
  return std::isnan(value) ? "NaN" : value < 0 ? "-inf" : "inf";
}

}  // namespace

void CheckInvalidLossHook::on(int32_t, const HookContext& context) {
  const strata_progress p = progress();
  if (!every_n_train_iters(p, config_.interval)) {
    return;
  }
  for (const strata_named_number& number : context.numbers()) {
    const std::string_view name = view(number.name);
    if (name.find("loss") == std::string_view::npos || std::isfinite(number.value)) {
      continue;
    }
    const int32_t rank = run().rank(runtime());
    const std::string what = text(name,
                                  " is ",
                                  kind_of(number.value),
                                  " at iteration ",
                                  p.iter + 1,
                                  " (epoch ",
                                  p.epoch + 1,
                                  ") on rank ",
                                  rank);
    if (config_.on_invalid == "stop") {
      throw run_error(what,
                      "; lower the learning rate, clip gradients (clip_grad), check the data of "
                      "this batch, or go on "
                      "with on_invalid = \"warn\" in default_hooks.check_invalid_loss");
    }
    // Only errors of other ranks reach the console.
    log(rank == 0 ? STRATA_LOG_WARNING : STRATA_LOG_ERROR,
        what,
        "; going on, as on_invalid = \"warn\" says");
  }
}

}  // namespace strata::hook_basic
