// From [strategy] to Settings.
#pragma once

#include "strata/cpp/host.hpp"

#include "settings.hpp"

namespace strata::colossalai {

/// What ColossalAIStrategy itself has for keys.
struct STRATA_HIDDEN StrategyConfig {
  Node plugin;  // "gemini", "lowlevel-zero", or {type = "GeminiPlugin" | "LowLevelZeroPlugin", …}
  Node mixed_precision;  // "fp16", "bf16", or {type = "FP16TorchMixedPrecision"}
  Node model_wrapper;
  Node config;
};

/// Errors: STRATA_E_CONFIG at the key's place: unknown, of a wrong kind, out of range, refused with the reason, or at
/// odds with another.
Settings read_settings(const StrategyConfig& table);

/// Errors: STRATA_E_CONFIG when extra_dp_size does not divide the number of ranks.
void check_world(const Settings& settings, int32_t world);

/// The plugin's own table; notes go to the result.
LowLevelZeroConfig read_low_level_zero(const Node& table);
GeminiConfig read_gemini(const Node& table);

}  // namespace strata::colossalai
