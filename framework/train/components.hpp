// The plugin objects that a configuration names, created and checked before anything is allocated.
#pragma once

#include <vector>

#include "strata/abi/communicator.h"
#include "strata/abi/data.h"
#include "strata/abi/hook.h"
#include "strata/abi/model.h"
#include "strata/abi/optim.h"
#include "strata/abi/strategy.h"

#include "border/object.hpp"
#include "border/runtime.hpp"
#include "config/value.hpp"
#include "data/loader.hpp"
#include "hooks/hook_specs.hpp"
#include "optim/schedulers.hpp"
#include "registry/registry.hpp"
#include "train/run_config.hpp"

namespace strata::train {

/// How long a training run is; what a strategy and a wrapper are told before the model is built. 0: unknown.
struct RunFacts {
  int64_t micro_batch_size = 0;
  int64_t epoch_length = 0;
  int64_t max_epochs = 0;
  int64_t max_iters = 0;
};

/// pass_length: batches of the train loader's pass, or data::kEndless.
/// Errors: STRATA_E_CONFIG for an epoch loop over an endless sampler.
RunFacts training_facts(const RunConfig& run, int64_t pass_length);

/// Whose share of the data a loader reads.
struct LoaderRank {
  int32_t rank = 0;
  int32_t world_size = 1;
  int64_t seed = 0;
};

/// Makes objects of one configuration on one rank. All borrowed; they outlive what is made.
struct Factory {
  const registry::Registry& registry;
  strata_runtime* runtime;

  [[nodiscard]] border::Object<strata_model_api> model(const RunConfig& run) const;
  [[nodiscard]] border::Object<strata_strategy_api> strategy(const RunConfig& run) const;
  [[nodiscard]] border::Object<strata_optim_wrapper_api> optim_wrapper(
      const config::Value& table) const;
  [[nodiscard]] border::Object<strata_optimizer_api> optimizer(const config::Value& wrapper) const;
  [[nodiscard]] data::Pipeline pipeline(const LoaderConfig& loader) const;
  [[nodiscard]] border::Object<strata_sampler_api> sampler(const LoaderConfig& loader) const;
  [[nodiscard]] std::vector<border::Object<strata_metric_api>> metrics(
      const std::vector<const config::Value*>& tables) const;
  [[nodiscard]] border::Object<strata_communicator_api> communicator(
      const config::Value& table) const;
  /// Opens the data.
  [[nodiscard]] data::Loader loader(const LoaderConfig& config, const LoaderRank& rank) const;
  [[nodiscard]] optim::Schedulers schedulers(const RunConfig& run,
                                             const RunFacts& facts,
                                             optim::HyperTable& hypers) const;
};

/// What the strategy says of itself; at any time.
strata_strategy_caps caps_of(const border::Object<strata_strategy_api>& strategy);

/// The hooks of a run, in order; their tables must outlive what is made from them.
std::vector<hooks::HookSpec> hook_specs_of(const RunConfig& run);

}  // namespace strata::train
