// The plugin objects that a configuration names, created and checked before anything is allocated.
#pragma once

#include <vector>

#include "border/object.hpp"
#include "border/runtime.hpp"
#include "config/value.hpp"
#include "data/pipeline.hpp"
#include "hooks/hook_specs.hpp"
#include "registry/registry.hpp"
#include "strata/abi/communicator.h"
#include "strata/abi/data.h"
#include "strata/abi/hook.h"
#include "strata/abi/model.h"
#include "strata/abi/optim.h"
#include "strata/abi/strategy.h"
#include "train/run_config.hpp"

namespace strata::train {

/// Makes objects of one configuration on one rank. All borrowed; they outlive what is made.
struct Factory {
  const registry::Registry& registry;
  strata_runtime* runtime;

  [[nodiscard]] border::Object<strata_model_api> model(const RunConfig& run) const;
  [[nodiscard]] border::Object<strata_strategy_api> strategy(const RunConfig& run) const;
  [[nodiscard]] border::Object<strata_optim_wrapper_api> optim_wrapper(const config::Value& table) const;
  [[nodiscard]] border::Object<strata_optimizer_api> optimizer(const config::Value& wrapper) const;
  [[nodiscard]] data::Pipeline pipeline(const LoaderConfig& loader) const;
  [[nodiscard]] border::Object<strata_sampler_api> sampler(const LoaderConfig& loader) const;
  [[nodiscard]] std::vector<border::Object<strata_metric_api>> metrics(
      const std::vector<const config::Value*>& tables) const;
  [[nodiscard]] border::Object<strata_communicator_api> communicator(const config::Value& table) const;
};

/// The hooks of a run, in order; their tables must outlive what is made from them.
std::vector<hooks::HookSpec> hook_specs_of(const RunConfig& run);

}  // namespace strata::train
