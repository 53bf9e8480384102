// Keys that exclude or demand each other.
#include "read.hpp"

namespace strata::deepspeed {
namespace {

std::string place(const Value& tree, std::string_view section, std::string_view key) {
  const Value* table = section.empty() ? &tree : tree.find(section);
  const Value* value = table == nullptr ? nullptr : table->find(key);
  return value != nullptr ? value->where : table != nullptr ? table->where : tree.where;
}

// DeepSpeed checks these only where the scale is used.
void check_scale(const Fp16& fp16, const Value& tree) {
  if (!fp16.enabled || fp16.loss_scale != 0) {
    return;
  }
  const auto positive = [&tree](const char* key, int64_t value) {
    if (value < 1) {
      throw config_error(
          place(tree, "fp16", key), "fp16.", key, " = ", value, " must be at least 1");
    }
  };
  positive("loss_scale_window", fp16.loss_scale_window);
  positive("hysteresis", fp16.hysteresis);
  positive("min_loss_scale", fp16.min_loss_scale);
}

void check_types(const DeepSpeedConfig& c, const Value& tree) {
  if (c.fp16.enabled && c.bf16.enabled) {
    throw config_error(place(tree, "bf16", "enabled"), "fp16 and bf16 are both enabled; keep one");
  }
  const std::string mode = c.fp16.enabled ? "fp16" : c.bf16.enabled ? "bf16" : "fp32";
  if (!c.param_dtype.empty() && c.param_dtype != mode) {
    throw config_error(place(tree, "data_types", "param_dtype"),
                       "data_types.param_dtype = \"",
                       c.param_dtype,
                       "\", but weights are ",
                       mode,
                       " by the sections fp16 and bf16");
  }
  if (mode == "fp32" && (c.grad_accum_dtype != "fp32")) {
    throw config_error(place(tree, "data_types", "grad_accum_dtype"),
                       "data_types.grad_accum_dtype = \"",
                       c.grad_accum_dtype,
                       "\" with weights in fp32; enable fp16 or bf16, or leave it out");
  }
}

}  // namespace

void check_together(const DeepSpeedConfig& c, const Value& tree) {
  check_types(c, tree);
  check_scale(c.fp16, tree);
  if (c.gradient_allreduce_op == "sum" && c.zero.stage == 3) {
    throw config_error(
        place(tree, "", "gradient_allreduce_op"),
        "gradient_allreduce_op = \"sum\" is not possible at stage 3; use stage 2, or \"mean\" with "
        "a learning rate times the number of ranks");
  }
}

}  // namespace strata::deepspeed
