// Creating plugin objects from their sections.
#include "train/components.hpp"

#include <array>
#include <string_view>
#include <utility>

namespace strata::train {
border::Object<strata_model_api> Factory::model(const RunConfig& run) const {
  return registry.create<strata_model_api>(STRATA_KIND_MODEL, run.root->at("model"), runtime);
}

border::Object<strata_strategy_api> Factory::strategy(const RunConfig& run) const {
  return registry.create<strata_strategy_api>(
      STRATA_KIND_STRATEGY, run.root->at("strategy"), runtime);
}

border::Object<strata_optim_wrapper_api> Factory::optim_wrapper(const config::Value& table) const {
  constexpr std::array<std::string_view, 2> kHostKeys = {"optimizer", "paramwise_cfg"};
  return registry.create<strata_optim_wrapper_api>(
      STRATA_KIND_OPTIM_WRAPPER, table, runtime, kHostKeys);
}

border::Object<strata_optimizer_api> Factory::optimizer(const config::Value& wrapper) const {
  const config::Value* table = wrapper.find("optimizer");
  if (table == nullptr || !table->is_table()) {
    throw config_error(table == nullptr ? wrapper.where() : table->where(),
                       "optim_wrapper needs `optimizer = { type = \"…\", lr = … }`");
  }
  return registry.create<strata_optimizer_api>(STRATA_KIND_OPTIMIZER, *table, runtime);
}

data::Pipeline Factory::pipeline(const LoaderConfig& loader) const {
  constexpr std::array<std::string_view, 1> kHostKeys = {"transforms"};
  auto dataset =
      registry.create<strata_dataset_api>(STRATA_KIND_DATASET, *loader.dataset, runtime, kHostKeys);
  std::vector<border::Object<strata_transform_api>> transforms;
  if (const config::Value* list = loader.dataset->find("transforms"); list != nullptr) {
    for (const config::Value& item : list->as_list()) {
      transforms.push_back(
          registry.create<strata_transform_api>(STRATA_KIND_TRANSFORM, item, runtime));
    }
  }
  return {std::move(dataset), std::move(transforms), loader.dataset->where()};
}

border::Object<strata_sampler_api> Factory::sampler(const LoaderConfig& loader) const {
  return registry.create<strata_sampler_api>(STRATA_KIND_SAMPLER, *loader.sampler, runtime);
}

std::vector<border::Object<strata_metric_api>> Factory::metrics(
    const std::vector<const config::Value*>& tables) const {
  std::vector<border::Object<strata_metric_api>> out;
  for (const config::Value* table : tables) {
    out.push_back(registry.create<strata_metric_api>(STRATA_KIND_METRIC, *table, runtime));
  }
  return out;
}

border::Object<strata_communicator_api> Factory::communicator(const config::Value& table) const {
  return registry.create<strata_communicator_api>(STRATA_KIND_COMMUNICATOR, table, runtime);
}

data::Loader Factory::loader(const LoaderConfig& config, const LoaderRank& rank) const {
  data::LoaderOptions options;
  options.batch_size = config.batch_size;
  options.num_workers = config.num_workers;
  options.prefetch = config.prefetch;
  options.drop_last = config.drop_last;
  options.persistent = config.persistent;
  options.seed = rank.seed;
  options.rank = rank.rank;
  options.world_size = rank.world_size;
  options.where = config.table->where();
  return {pipeline(config), sampler(config), options};
}

optim::Schedulers Factory::schedulers(const RunConfig& run,
                                      const RunFacts& facts,
                                      optim::HyperTable& hypers) const {
  const auto make = [this](const config::Value& table) {
    return registry.create<strata_param_scheduler_api>(STRATA_KIND_PARAM_SCHEDULER, table, runtime);
  };
  const int64_t accumulation = run.root->get_or<int64_t>("optim_wrapper.accumulative_counts", 1);
  const optim::RunLength length{run.train_loop->by_epoch,
                                facts.max_epochs,
                                facts.max_iters,
                                facts.epoch_length,
                                accumulation};
  return {run.root->find("param_scheduler"), make, hypers, length};
}

RunFacts training_facts(const RunConfig& run, int64_t pass_length) {
  const TrainLoopConfig& loop = *run.train_loop;
  RunFacts facts;
  facts.micro_batch_size = run.train.batch_size;
  facts.epoch_length = pass_length == data::kEndless ? 0 : pass_length;
  if (loop.by_epoch && facts.epoch_length == 0) {
    throw config_error(run.train.sampler->where(),
                       "an epoch loop over an endless sampler would never end; use "
                       "DefaultSampler, or by_epoch = false with max_iters");
  }
  facts.max_epochs = loop.max_epochs;
  facts.max_iters = loop.by_epoch ? loop.max_epochs * facts.epoch_length : loop.max_iters;
  return facts;
}

strata_strategy_caps caps_of(const border::Object<strata_strategy_api>& strategy) {
  strata_strategy_caps caps{};
  caps.h = STRATA_HDR(strata_strategy_caps);
  strategy.call(&strata_strategy_api::describe, &caps);
  return caps;
}

std::vector<hooks::HookSpec> hook_specs_of(const RunConfig& run) {
  const bool by_epoch = !run.train_loop.has_value() || run.train_loop->by_epoch;
  return hooks::hook_specs(
      run.root->find("default_hooks"), run.root->find("custom_hooks"), by_epoch);
}

}  // namespace strata::train
