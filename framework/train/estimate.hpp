// What strategies say a run will need of memory and traffic, before anything is allocated.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "strata/abi/optim.h"
#include "strata/abi/strategy.h"

#include "border/object.hpp"
#include "config/value.hpp"
#include "registry/registry.hpp"
#include "unit/model.hpp"

namespace strata::train {

/// What an estimate is for.
struct EstimateFacts {
  int32_t world_size = 1;
  int32_t states_per_element = 0;  // of the optimizer
  int32_t accumulation = 1;        // micro-batches in a step
};

/// Bytes of one rank.
struct Estimate {
  strata_estimate c{};

  /// Parameters, gradients and optimizer state: what stays from step to step.
  [[nodiscard]] int64_t states() const { return c.param_bytes + c.grad_bytes + c.optim_bytes; }

  /// The most at one time, without activations, batches and workspaces of operators.
  [[nodiscard]] int64_t peak() const { return states() + c.unit_bytes + c.comm_buffer_bytes; }

  [[nodiscard]] bool empty() const { return peak() == 0; }
};

/// A way to configure a strategy, and what it would need; error says why it cannot be used instead.
struct EstimateRow {
  std::string type;
  std::string label;  // of the variant; empty: a strategy that has only one
  bool configured = false;
  Estimate estimate;
  std::string error;
  std::string where;  // of the error, if it names a place

  [[nodiscard]] std::string name() const { return label.empty() ? type : type + " " + label; }
};

/// 0 without an optimizer.
int32_t states_per_element(const border::Object<strata_optimizer_api>& optimizer);
/// 1 without an optim_wrapper.
int32_t accumulation_of(const border::Object<strata_optim_wrapper_api>& wrapper);

/// Errors: the strategy's own; STRATA_E_CONFIG for more ranks than it can have; STRATA_E_UNSUPPORTED when it gives none.
Estimate estimate(const border::Object<strata_strategy_api>& strategy,
                  unit::Model& model,
                  const EstimateFacts& facts);
/// The same, and an empty one from a strategy that gives none.
Estimate estimate_if_any(const border::Object<strata_strategy_api>& strategy,
                         unit::Model& model,
                         const EstimateFacts& facts);

/// The configured strategy first, then its variants, then every strategy that was found with its own defaults, with a row
/// for each of its variants. configured: its table. A strategy that refuses has a row with its reason.
std::vector<EstimateRow> estimate_all(const registry::Registry& registry,
                                      const config::Value& configured,
                                      unit::Model& model,
                                      const EstimateFacts& facts);

/// "12.3 MiB".
std::string size_text(int64_t bytes);
/// "16GiB", "500 MB", "1024": bytes. Errors: STRATA_E_CONFIG naming `what`.
int64_t parse_size(const std::string& text, const std::string& what);

}  // namespace strata::train
