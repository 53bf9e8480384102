// Making a run's parts, and the requests of hooks.
#include "train/runner.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include "strata/cpp/error.hpp"

#include "border/sinks.hpp"
#include "config/dump.hpp"
#include "train/publishing.hpp"
#include "train/start_dump.hpp"
#include "train/weights.hpp"

namespace strata::train {
Runner::Runner(Session& session, Command command, std::function<int()> signal)
    : session_(session),
      command_(command),
      signal_(std::move(signal)),
      stop_poll_(session.world(), signal_, session.work_dir() / kStopFile),
      work_dir_(session.work_dir().string()),
      log_dir_(session.log_dir().string()),
      writer_(session) {
  progress_.h = STRATA_HDR(strata_progress);
  session_.runtime().run = this;
  const RunConfig& run = session_.run();
  const Factory factory{session_.registry(), &session_.runtime()};
  objects_ = make_engine_objects(factory, run);
  make_hooks();
  if (command == Command::kTrain) {
    train_loader_ = std::make_unique<data::Loader>(make_loader(run.train));
  }
  const bool test = command == Command::kTest;
  if (const LoaderConfig& eval = test ? run.test : run.val; eval) {
    eval_loader_ = std::make_unique<data::Loader>(make_loader(eval));
    evaluation_ =
        std::make_unique<Evaluation>(factory.metrics(test ? run.test_metrics : run.val_metrics));
  }
  session_.check_ranks_agree();
  log_start(session_, hooks_.table());
  if (session_.world().is_main()) {
    dump_config(session_);
  }
}

Runner::~Runner() {
  session_.runtime().run = nullptr;
}

void Runner::make_hooks() {
  const config::Value& root = *session_.run().root;
  hook_specs_ = hook_specs_of(session_.run());
  for (const hooks::HookSpec& spec : hook_specs_) {
    hooks_.add(session_.registry().create<strata_hook_api>(
                   STRATA_KIND_HOOK, spec.table(), &session_.runtime(), hooks::kHostKeys),
               spec.priority());
  }
  comm::World& world = session_.world();
  hooks::LogSources sources;
  sources.mean_over_ranks = [&world](std::span<double> values) {
    world.all_reduce_sum(values.data(), static_cast<int64_t>(values.size()));
    for (double& value : values) {
      value /= world.size();
    }
  };
  sources.peak_mb = [this] { return peak_memory_.take_mb(); };
  sources.unshown = [this] { return unshown_scalars(); };
  log_processor_ = std::make_unique<hooks::LogProcessor>(
      hooks::parse_log_options(root.find("log_processor")), session_.hub(), std::move(sources));
  scalars_ = std::make_unique<hooks::ScalarWriter>(session_.log_dir(), session_.timestamp());
}

hooks::Scalars Runner::unshown_scalars() const {
  hooks::Scalars out = {
      {"comm_bytes", static_cast<double>(sent_in_step_)},
      {"state_bytes", static_cast<double>(session_.runtime().memory->state_bytes())}};
  const border::NumberSink counted;
  engine_->strategy().call(&strata_strategy_api::stats, counted.c());
  for (const auto& [name, value] : counted.items()) {
    out.emplace_back(name, value);
  }
  return out;
}

data::Loader Runner::make_loader(const LoaderConfig& config) {
  const Factory factory{session_.registry(), &session_.runtime()};
  return factory.loader(config,
                        {session_.world().rank(), session_.world().size(), session_.seed()});
}

void Runner::build_engine(bool training) {
  const RunConfig& run = session_.run();
  const RunFacts facts = training ? training_facts(run, train_loader_->length()) : RunFacts{};
  progress_.max_epochs = facts.max_epochs;
  progress_.max_iters = facts.max_iters;
  progress_.epoch_length = facts.epoch_length;
  progress_.by_epoch = training && run.train_loop->by_epoch ? 1 : 0;
  start_ = find_start(run);
  std::unique_ptr<Weights> weights;
  if (!start_.path.empty()) {
    session_.log().info("{} checkpoint from {}",
                        start_.resume && training ? "Resume" : "Load",
                        start_.path.string());
    const bool resumes = start_.resume && training;
    weights = open_weights(start_.path,
                           resumes ? std::string() : hooks_.weights_state(),
                           start_.resume ? WeightRules{} : run.load_rules,
                           session_);
  }
  const auto begin = std::chrono::steady_clock::now();
  engine_ = std::make_unique<Engine>(session_, std::move(objects_), facts, training, weights.get());
  if (weights != nullptr) {
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    session_.log().info("Model built in {:.2f} s, weights loaded in {:.2f} s",
                        took.count() - weights->seconds(),
                        weights->seconds());
  }
  if (training) {
    log_states();
  }
  if (weights != nullptr) {
    weights->report(session_.log());
    strata_hook_ctx context = hooks::HookBus::empty_context();
    const std::string path = start_.path.string();
    context.checkpoint = border::view(std::string_view(path));
    hooks_.fire(STRATA_POINT_AFTER_LOAD_CHECKPOINT, context);
  }
}

// The measured bytes beside what the strategy foretold.
void Runner::log_states() {
  const Estimate& foretold = engine_->foretold();
  const unit::Memory& memory = *session_.runtime().memory;
  session_.log().info("Model states on rank 0: {} (parameters {}, gradients {}, optimizer {}){}",
                      size_text(memory.state_bytes()),
                      size_text(memory.tag("param").now + memory.tag("shard").now),
                      size_text(memory.tag("grad").now),
                      size_text(memory.tag("optim").now),
                      foretold.empty() ? "" : text("; estimated: ", size_text(foretold.states())));
}

// comm_bytes: what this rank sent in all micro-batches of the last update, without logs, checkpoints and validation.
void Runner::count_traffic(int64_t sent_before, bool updated) {
  sent_in_window_ += session_.world().bytes_sent() - sent_before;
  if (updated) {
    sent_in_step_ = std::exchange(sent_in_window_, 0);
  }
}

void Runner::restore_training_state() {
  if (start_.path.empty() || !start_.resume) {
    return;
  }
  const auto begin = std::chrono::steady_clock::now();
  const Restored restored = restore_state(session_, *engine_, start_.path);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  session_.log().info("Training state loaded in {:.2f} s", took.count());
  for (const std::string& type : hooks_.load(restored.hooks)) {
    session_.log().warn("The checkpoint has state of the hook {}, which this run does not use.",
                        type);
  }
  take_position(restored);
  if (!restored.same_schedules) {
    engine_->schedulers()->recompute(epochs_done_, iters_done_, progress_.step);
    session_.log().info(
        "Schedules are computed anew up to here: they are not those of the checkpoint.");
  }
  for (const std::string& change : restored.changes) {
    session_.log().info("Config differs from the checkpoint's: {}", change);
  }
  session_.log().info("resumed epoch: {}, iter: {}", progress_.epoch, progress_.iter);
}

Counters Runner::counters() const {
  const int64_t batch = session_.run().train.batch_size * session_.world().size();
  return {epochs_done_,
          iters_done_,
          progress_.step,
          progress_.epoch_length,
          batch,
          (iters_done_ + data_shift_) * batch};
}

// With another number of ranks or samples in a batch than before, the run goes on at the same place in the data: up to
// a batch is seen again.
void Runner::take_position(const Restored& restored) {
  const Counters& was = restored.counters;
  const int64_t batch = counters().batch;
  epochs_done_ = progress_.epoch = was.epochs;
  progress_.step = was.steps;
  sampler_epoch_ = progress_.epoch;
  iters_done_ = progress_.iter = was.iters;
  if (was.batch == batch) {
    data_shift_ = was.samples / batch - was.iters;
    return;
  }
  if (progress_.by_epoch != 0) {
    const int64_t into_epoch = (was.iters - was.epochs * was.epoch_length) * was.batch / batch;
    iters_done_ = progress_.iter = was.epochs * progress_.epoch_length +
                                   std::clamp<int64_t>(into_epoch, 0, progress_.epoch_length);
  } else {
    data_shift_ = was.samples / batch - was.iters;
  }
  session_.log().warn(
      "The checkpoint is of {} rank(s) and {} samples an iteration, this run has {} and {}: it "
      "goes on at the same place "
      "in the data, with fresh random numbers.",
      restored.world_size,
      was.batch,
      session_.world().size(),
      batch);
}

// --- what hooks ask for --------------------------------------------------------------------------------------------

std::optional<double> Runner::hyper(std::string_view name) {
  return engine_ == nullptr || engine_->updater() == nullptr
             ? std::nullopt
             : engine_->updater()->hypers().value(name);
}

std::optional<double> Runner::base_lr() {
  return engine_ == nullptr || engine_->updater() == nullptr
             ? std::nullopt
             : engine_->updater()->hypers().base_lr();
}

void Runner::scheduler_step(int32_t when) {
  if (engine_ != nullptr && engine_->schedulers() != nullptr) {
    engine_->schedulers()->step(when, last_metrics_, progress_.step);
  }
}

void Runner::stop_training(std::string_view reason) {
  stop_reason_ = std::string(reason);
  session_.log().info("Training stops: {}", stop_reason_);
}

// A checkpoint inside an accumulation window would lose gradients; it is taken after the update that closes it.
void Runner::now_or_after_update(std::function<void()> action) {
  if (window_open_ || !after_update_.empty()) {
    after_update_.push_back(std::move(action));
  } else {
    action();
  }
}

void Runner::save_checkpoint(const hooks::SaveRequest& request) {
  now_or_after_update([this, request] {
    strata_hook_ctx context = hooks::HookBus::empty_context();
    context.checkpoint = border::view(std::string_view(request.name));
    hooks_.fire(STRATA_POINT_BEFORE_SAVE_CHECKPOINT, context);
    start_checkpoint(session_, *engine_, writer_, {request, counters(), hooks_.save()});
    if (request.wait) {
      writer_.wait();
    }
    if (request.save_optimizer && request.save_param_scheduler && request.update_last) {
      const std::filesystem::path folder =
          request.out_dir.empty() ? session_.work_dir() : std::filesystem::path(request.out_dir);
      resumable_ = {epochs_done_, iters_done_, (folder / request.name).string()};
    }
  });
}

void Runner::refresh_checkpoint(std::string_view out_dir, std::string_view name) {
  now_or_after_update([this, dir = std::string(out_dir), file = std::string(name)] {
    writer_.then([this, update = StateUpdate{dir, file, session_.hub().save(), hooks_.save()}] {
      train::rewrite_state(session_, update);
    });
  });
}

void Runner::remove_checkpoint(std::string_view out_dir, std::string_view name) {
  now_or_after_update([this, dir = std::string(out_dir), file = std::string(name)] {
    writer_.then([this, dir, file] {
      try {
        delete_checkpoint(session_, dir, file);
      } catch (const std::exception& e) {  // worth a warning, not the run
        session_.log().warn("The old checkpoint {} stays: {}", file, e.what());
      }
    });
  });
}

std::string Runner::publish_checkpoint(std::string_view out_dir,
                                       std::string_view name,
                                       const std::vector<std::string>& keys) {
  writer_.wait();  // it may be the one that is being written
  return train::publish_checkpoint(session_, std::string(out_dir), std::string(name), keys);
}

hooks::LogLine Runner::log_after_iter(int64_t batch_idx, int32_t) {
  return log_processor_->after_iter(progress_, batch_idx);
}

hooks::LogLine Runner::log_after_epoch(int64_t batches, int32_t) {
  return log_processor_->after_epoch(progress_, batches);
}

void Runner::add_scalars(const hooks::Scalars& scalars, int64_t step) {
  if (session_.world().is_main()) {
    scalars_->write(scalars, step);
  }
}

}  // namespace strata::train
