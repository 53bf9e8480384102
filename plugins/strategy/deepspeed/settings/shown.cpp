// The resolved configuration as a few lines of the log.
#include <sstream>

#include "config.hpp"

namespace strata::deepspeed {
namespace {

const char* yes_no(bool value) {
  return value ? "true" : "false";
}

std::string precision(const DeepSpeedConfig& c) {
  if (c.bf16.enabled) {
    return text("bf16, check_grad_overflow ", yes_no(c.bf16.check_grad_overflow));
  }
  if (!c.fp16.enabled) {
    return "fp32";
  }
  const Fp16& f = c.fp16;
  if (f.loss_scale > 0) {
    return text("fp16, loss scale ", f.loss_scale);
  }
  return text("fp16, loss scale from 2^",
              f.initial_scale_power,
              ", window ",
              f.loss_scale_window,
              ", hysteresis ",
              f.hysteresis,
              f.consecutive_hysteresis ? " (consecutive)" : "",
              ", at least ",
              f.min_loss_scale);
}

std::string clipping(const DeepSpeedConfig& c) {
  if (c.gradient_clipping) {
    return *c.gradient_clipping == 0 ? std::string("off") : text(*c.gradient_clipping);
  }
  return c.engine_defaults
             ? "1.0 (DeepSpeed's default) unless optim_wrapper.clip_grad says otherwise"
             : "as optim_wrapper.clip_grad says";
}

}  // namespace

std::string shown(const DeepSpeedConfig& c) {
  const Zero& z = c.zero;
  std::ostringstream out;
  out << "DeepSpeed" << (c.source.empty() ? "" : " (" + c.source + ")") << ": ZeRO stage "
      << z.stage << ", " << precision(c) << "\n  gradients: clipping " << clipping(c) << "; "
      << c.gradient_allreduce_op << " over ranks; added in " << c.grad_accum_dtype << ", sent in "
      << (c.communication_data_type.empty() ? "their own type" : c.communication_data_type)
      << "\n  overlap_comm " << yes_no(z.overlaps());
  if (z.stage < 3) {
    out << ", reduce_bucket_size " << z.reduce_bucket_size;
  } else {
    out << ", prefetch_bucket_size " << z.prefetch_bucket_size << ", param_persistence_threshold "
        << z.param_persistence_threshold << ", max_live_parameters " << z.max_live_parameters
        << ", max_reuse_distance " << z.max_reuse_distance;
  }
  return out.str();
}

}  // namespace strata::deepspeed
