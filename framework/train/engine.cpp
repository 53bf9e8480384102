// Building the parts of a rank in order.
#include "train/engine.hpp"

#include <utility>

#include <ATen/Parallel.h>

#include "optim/groups.hpp"
#include "optim/views.hpp"
#include "unit/assemble.hpp"
#include "unit/recompute.hpp"

namespace strata::train {
namespace {

optim::ParamInfo info_of(const unit::Param& p) {
  optim::ParamInfo info;
  info.name = p.name;
  info.shape = p.tensor.sizes().vec();
  info.trainable = p.tensor.requires_grad();
  info.module_type = p.module;
  // A convolution's weight is [out, in / groups, …]: one input channel per group means depthwise.
  if (p.tensor.dim() > 2 && p.tensor.size(1) == 1) {
    info.groups = p.tensor.size(0);
    info.in_channels = info.groups;
  }
  return info;
}

std::vector<optim::BufferSlot> buffer_slots(const unit::Model& model) {
  std::vector<optim::BufferSlot> slots;
  for (const unit::NamedBuffer& b : model.buffers()) {
    if (!b.persistent) {
      continue;
    }
    if (!b.tensor.is_contiguous()) {
      throw run_error("buffer ", b.name, " of the model is not contiguous, which no hook can read");
    }
    slots.push_back({b.name,
                     unit::dtype_of(b.tensor.scalar_type()),
                     b.tensor.sizes().vec(),
                     b.tensor.data_ptr()});
  }
  return slots;
}

strata_setup_args setup_args(Session& session, const RunFacts& facts) {
  strata_setup_args args{};
  args.h = STRATA_HDR(strata_setup_args);
  args.rank = session.world().rank();
  args.world_size = session.world().size();
  args.local_rank = session.launch().local_rank;
  args.local_world_size = session.launch().local_world_size;
  args.device = {STRATA_CPU, 0};
  args.micro_batch_size = facts.micro_batch_size;
  args.epoch_length = facts.epoch_length;
  args.max_epochs = facts.max_epochs;
  args.max_iters = facts.max_iters;
  return args;
}

}  // namespace

EngineObjects make_engine_objects(const Factory& factory, const RunConfig& run) {
  EngineObjects objects;
  objects.strategy = factory.strategy(run);
  objects.model = factory.model(run);
  if (const config::Value* wrapper = run.root->find("optim_wrapper"); wrapper != nullptr) {
    objects.wrapper = factory.optim_wrapper(*wrapper);
    objects.optimizer = factory.optimizer(*wrapper);
  }
  return objects;
}

Engine::Engine(
    Session& session, EngineObjects objects, const RunFacts& facts, bool training, Weights* weights)
    : session_(session),
      strategy_(std::move(objects.strategy)),
      wrapper_(std::move(objects.wrapper)) {
  set_up_strategy(facts);
  model_ = std::make_unique<unit::Model>(std::move(objects.model),
                                         static_cast<uint64_t>(session.seed()));
  session.runtime().model = model_.get();
  std::vector<std::vector<double>> groups;
  if (training) {
    groups = make_groups(objects.optimizer);
    foretold_ = estimate_if_any(
        strategy_,
        *model_,
        {session.world().size(), states_per_element(objects.optimizer), accumulation_of(wrapper_)});
    choose_recomputed();
  }
  const auto plan = unit::plan_units(*model_, strategy_);
  tracker_ = std::make_unique<unit::Tracker>(*model_, strategy_, plan);
  session.runtime().tracker = tracker_.get();
  if (weights != nullptr) {
    weights->match(*model_);
    model_->set_source({[weights](const std::string& name, const at::Tensor& out) {
                          return weights->fill(name, out);
                        },
                        [weights](const std::string& name,
                                  at::IntArrayRef shape,
                                  int64_t offset,
                                  const at::Tensor& out) {
                          return weights->fill_slice(name, shape, offset, out.numel(), out);
                        }});
  }
  unit::materialize(*model_, strategy_, plan);
  model_->set_source({});
  if (training) {
    build_updater(std::move(objects.optimizer), groups, facts);
  }
  stepper_ = std::make_unique<Stepper>(StepParts{*model_,
                                                 *tracker_,
                                                 strategy_,
                                                 wrapper_ ? &wrapper_ : nullptr,
                                                 session.world().size(),
                                                 updater_.get()});
}

Engine::~Engine() {
  strata_runtime& rt = session_.runtime();
  rt.update = nullptr;
  rt.tracker = nullptr;
  rt.model = nullptr;
}

void Engine::set_up_strategy(const RunFacts& facts) {
  const strata_setup_args args = setup_args(session_, facts);
  strategy_.call(&strata_strategy_api::setup_env, &args);
}

void Engine::choose_recomputed() {
  const int64_t n = session_.run().recompute_every;
  if (n == 0) {
    return;
  }
  const auto blocks = unit::repeated_blocks(model_->units());
  const auto chosen = unit::every_nth(blocks, n);
  if (chosen.empty()) {
    throw config_error(session_.run().root->at("activation_checkpointing").where(),
                       "activation_checkpointing: ",
                       model_->object().type(),
                       " has ",
                       blocks.size(),
                       " repeated block(s)",
                       blocks.empty() ? "; leave the table out" : "; make `n` smaller");
  }
  check_recomputed(chosen);
  model_->set_recomputed(chosen);
  session_.log().info("Activation checkpointing: {} of {} blocks run again in backward.",
                      chosen.size(),
                      blocks.size());
}

// Strategies that take a unit's memory away bring its gradients back for the unit's own backward alone.
void Engine::check_recomputed(const std::vector<int32_t>& chosen) const {
  const int32_t borrower = unit::borrower_across(model_->units(), chosen);
  if (caps_of(strategy_).owns_storage != 0 && borrower >= 0) {
    throw config_error(session_.run().root->at("activation_checkpointing").where(),
                       "activation_checkpointing: unit \"",
                       model_->units()[static_cast<size_t>(borrower)].name,
                       "\" of ",
                       model_->object().type(),
                       " shares a parameter across the border of a block, which ",
                       strategy_.type(),
                       " cannot follow; use DDPStrategy, or leave the table out");
  }
}

std::vector<std::vector<double>> Engine::make_groups(
    const border::Object<strata_optimizer_api>& optimizer) {
  std::vector<optim::ParamInfo> infos;
  for (const unit::Param& p : model_->params()) {
    infos.push_back(info_of(p));
  }
  const config::Value* paramwise = session_.run().root->find("optim_wrapper.paramwise_cfg");
  optim::ParamGroups groups = optim::make_groups(infos, paramwise, optim::hypers_of(optimizer));
  for (const std::string& line : groups.log) {
    session_.log().info("{}", line);
  }
  model_->set_groups(groups.group_of);
  return std::move(groups.groups);
}

void Engine::build_updater(border::Object<strata_optimizer_api> optimizer,
                           const std::vector<std::vector<double>>& groups,
                           const RunFacts& facts) {
  optim::ViewSink views;
  strategy_.call(&strata_strategy_api::optim_views, views.c());
  std::vector<optim::ParamSlot> slots;
  for (const unit::Param& p : model_->params()) {
    slots.push_back({p.name, p.tensor.numel(), p.group});
  }
  optim::HyperTable hypers(optim::hypers_of(optimizer), groups);
  updater_ = std::make_unique<optim::Updater>(
      optim::UpdaterParts{views.take(),
                          std::move(slots),
                          std::move(optimizer),
                          std::move(hypers),
                          &strategy_,
                          [this] { return buffer_slots(*model_); },
                          at::get_num_threads()},
      optim::Services{unit::memory_service(),
                      unit::param_service(),
                      session_.world().size() > 1 ? comm::comm_service() : nullptr,
                      &session_.runtime()});
  session_.runtime().update = updater_.get();
  const RunConfig& run = session_.run();
  if (run.auto_scale_base > 0) {
    const double factor = optim::auto_scale_factor(
        session_.world().size(), facts.micro_batch_size, static_cast<int64_t>(run.auto_scale_base));
    updater_->hypers().scale_lr(factor);
    session_.log().info("auto_scale_lr: learning rates times {}", factor);
  }
  const Factory factory{session_.registry(), &session_.runtime()};
  schedulers_ =
      std::make_unique<optim::Schedulers>(factory.schedulers(run, facts, updater_->hypers()));
}

void Engine::begin(int64_t iter, int64_t max_iters) {
  strata_wrapper_begin_args args{};
  args.h = STRATA_HDR(strata_wrapper_begin_args);
  args.iter = iter;
  args.max_iters = max_iters;
  wrapper_.call(&strata_optim_wrapper_api::begin,
                static_cast<const strata_wrapper_begin_args*>(&args));
}

}  // namespace strata::train
