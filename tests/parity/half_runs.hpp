// Runs of a small MLP in half precision, and what their micro-batches are.
#pragma once

#include <map>
#include <string>
#include <vector>

#include <ATen/ATen.h>

#include "engine_run.hpp"
#include "modes.hpp"

namespace strata::test {

inline constexpr int kWorld = 2;
inline constexpr int kSteps = 10;
inline constexpr double kLr = 0.125;  ///< a power of two: lr * g is exact

using Weights = std::map<std::string, at::Tensor>;

inline EngineRun run_of(const std::string& strategy, int world) {
  EngineRun run;
  run.strategy = strategy;
  run.world = world;
  run.steps = kSteps;
  run.optimizer = "{ type = \"SGD\", lr = 0.125 }";
  return run;
}

/// The batches that run_engine() makes, by micro-batch.
inline std::vector<unit::Fields> seen_batches() {
  std::vector<unit::Fields> out;
  for (int64_t m = 0; m < int64_t{kSteps} * kWorld; ++m) {
    const at::Tensor rows =
        at::arange(6 * 20, at::kDouble).add(static_cast<double>(m) * 131).mul(0.7).sin();
    out.push_back({{"img", rows.view({6, 20}).to(at::kFloat)},
                   {"label", at::arange(m, m + 6, at::kLong).remainder(5)}});
  }
  return out;
}

inline unit::Fields batches(int64_t first, int64_t) {
  static const std::vector<unit::Fields> all = seen_batches();
  return all.at(static_cast<size_t>(first));
}

inline std::string precision_of(const std::string& dtype) {
  return dtype == "float16" ? "fp16" : "bf16";
}

/// ColossalAI keeps gradients in the parameters' type.
inline std::string low_level_zero(int stage,
                                  const std::string& dtype,
                                  const std::string& more = {}) {
  return colossalai(
      "LowLevelZeroPlugin", "stage = " + std::to_string(stage) + more, precision_of(dtype));
}

inline std::string gemini(const std::string& dtype, const std::string& more = {}) {
  return colossalai("GeminiPlugin", chunks(kWorld, 700) + more, precision_of(dtype));
}

}  // namespace strata::test
