// Model, strategy, optimizer and schedulers of one rank, brought together in the order that the border asks for.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "optim/schedulers.hpp"
#include "optim/updater.hpp"
#include "train/components.hpp"
#include "train/estimate.hpp"
#include "train/session.hpp"
#include "train/stepper.hpp"
#include "train/weights.hpp"
#include "unit/model.hpp"
#include "unit/tracker.hpp"

namespace strata::train {

/// The plugin objects of a run, created before anything is allocated, so that their refusals come first.
struct EngineObjects {
  border::Object<strata_model_api> model;
  border::Object<strata_strategy_api> strategy;
  border::Object<strata_optim_wrapper_api> wrapper;  // empty without optim_wrapper
  border::Object<strata_optimizer_api> optimizer;
};

/// Creates them; optim_wrapper and optimizer only if the configuration has them.
EngineObjects make_engine_objects(const Factory& factory, const RunConfig& run);

/// Not movable: the runtime points into it. [main]
class Engine {
 public:
  /// Builds the model's tree, lets the strategy make its storage and fills it, allocates optimizer state. training:
  /// false leaves optimizer and schedulers out. weights: stored ones, used here alone; may be null.
  Engine(Session& session,
         EngineObjects objects,
         const RunFacts& facts,
         bool training,
         Weights* weights);
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;
  ~Engine();

  /// Tells the wrapper where training begins; after a resume. max_iters: 0 when unknown.
  void begin(int64_t iter, int64_t max_iters);

  [[nodiscard]] unit::Model& model() { return *model_; }

  [[nodiscard]] Stepper& stepper() { return *stepper_; }

  [[nodiscard]] optim::Updater* updater() { return updater_.get(); }

  [[nodiscard]] optim::Schedulers* schedulers() { return schedulers_.get(); }

  /// What the strategy said before anything was allocated; empty without training.
  [[nodiscard]] const Estimate& foretold() const { return foretold_; }

  [[nodiscard]] const border::Object<strata_strategy_api>& strategy() const { return strategy_; }

  [[nodiscard]] const border::Object<strata_optim_wrapper_api>& wrapper() const { return wrapper_; }

 private:
  void set_up_strategy(const RunFacts& facts);
  void choose_recomputed();
  void check_recomputed(const std::vector<int32_t>& chosen) const;
  std::vector<std::vector<double>> make_groups(
      const border::Object<strata_optimizer_api>& optimizer);
  void build_updater(border::Object<strata_optimizer_api> optimizer,
                     const std::vector<std::vector<double>>& groups,
                     const RunFacts& facts);

  Session& session_;
  border::Object<strata_strategy_api> strategy_;
  border::Object<strata_optim_wrapper_api> wrapper_;
  Estimate foretold_;
  std::unique_ptr<unit::Model> model_;
  std::unique_ptr<unit::Tracker> tracker_;
  std::unique_ptr<optim::Updater> updater_;
  std::unique_ptr<optim::Schedulers> schedulers_;
  std::unique_ptr<Stepper> stepper_;
};

}  // namespace strata::train
