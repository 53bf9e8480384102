// The keys of fp16, bf16, amp and torch_autocast.
#include "keys.hpp"

// clang-format off: a row of the table is a line or two
namespace strata::deepspeed::rows {
namespace {

using C = DeepSpeedConfig;

constexpr const char* kFp16 = "fp16";
constexpr const char* kBf16 = "bf16";
constexpr const char* kMasters = "master weights, their gradients and optimizer states are fp32 here";
constexpr const char* kNoScale = "bf16 has the range of fp32 and needs no loss scale";

}  // namespace

std::vector<Key> precision() {
  return {
      section("", "fp16", "half precision with a loss scale"),
      honoured(kFp16, "enabled", "false", "", "", [](C& c) -> auto& { return c.fp16.enabled; }),
      honoured(kFp16, "auto_cast", "false", "", "cast every floating input of the model",
               [](C& c) -> auto& { return c.fp16.auto_cast; }),
      honoured(kFp16, "loss_scale", "0", "[0, inf)", "0: dynamic; else this scale always",
               [](C& c) -> auto& { return c.fp16.loss_scale; }),
      honoured(kFp16, "initial_scale_power", "16", "[0, 126]", "a dynamic scale starts at 2^this",
               [](C& c) -> auto& { return c.fp16.initial_scale_power; }),
      honoured(kFp16, "loss_scale_window", "1000", "", "updates without overflow that double the scale",
               [](C& c) -> auto& { return c.fp16.loss_scale_window; }),
      honoured(kFp16, "hysteresis", "2", "", "overflows that halve it",
               [](C& c) -> auto& { return c.fp16.hysteresis; }),
      honoured(kFp16, "consecutive_hysteresis", "false", "", "an update without overflow counts hysteresis anew",
               [](C& c) -> auto& { return c.fp16.consecutive_hysteresis; }),
      honoured(kFp16, "min_loss_scale", "1", "", "never below", [](C& c) -> auto& { return c.fp16.min_loss_scale; }),
      honoured(kFp16, "min_loss_scale_warnings", "10", "[-1, inf)",
               "ours: overflows in a row at the minimum that are warned of before the run ends; -1: all",
               [](C& c) -> auto& { return c.fp16.min_loss_scale_warnings; }),
      refused(kFp16, "fp16_master_weights_and_grads", Kind::kBool, "false", kMasters),

      section("", "bf16", "bfloat16"),
      renamed("", "bfloat16", "bf16"),
      honoured(kBf16, "enabled", "false", "", "", [](C& c) -> auto& { return c.bf16.enabled; }),
      honoured(kBf16, "check_grad_overflow", "true", "", "skip an update with inf or NaN in the gradients",
               [](C& c) -> auto& { return c.bf16.check_grad_overflow; }),
      ignored(kBf16, "immediate_grad_update", Kind::kBool, "false",
              "gradients are added in grad_accum_dtype as they come, always"),
      refused(kBf16, "bf16_master_weights_and_grads", Kind::kBool, "false", kMasters),
      refused(kBf16, "bf16_optimizer_states", Kind::kBool, "false", kMasters),
      ignored(kBf16, "auto_cast", Kind::kBool, "false", "inputs_to_half says what is cast"),
      ignored(kBf16, "loss_scale", Kind::kFloat, "", kNoScale),
      ignored(kBf16, "initial_scale_power", Kind::kInt, "", kNoScale),
      ignored(kBf16, "loss_scale_window", Kind::kInt, "", kNoScale),
      ignored(kBf16, "hysteresis", Kind::kInt, "", kNoScale),
      ignored(kBf16, "consecutive_hysteresis", Kind::kBool, "", kNoScale),
      ignored(kBf16, "min_loss_scale", Kind::kFloat, "", kNoScale),

      section("", "amp", "NVIDIA's apex"),
      refused("amp", "enabled", Kind::kBool, "false", "there is no apex here; use fp16 or bf16"),
      unused("amp", "opt_level", Kind::kText, "", "of apex"),
      unused("amp", "loss_scale", Kind::kAny, "", "of apex"),
      section("", "torch_autocast", "autocast instead of half weights"),
      refused("torch_autocast", "enabled", Kind::kBool, "false",
              "write optim_wrapper.type = \"AmpOptimWrapper\", which goes with every strategy"),
      unused("torch_autocast", "dtype", Kind::kText, "", "of autocast"),
      unused("torch_autocast", "lower_precision_safe_modules", Kind::kNames, "", "of autocast"),
  };
}

}  // namespace strata::deepspeed::rows
