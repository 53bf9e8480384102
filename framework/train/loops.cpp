// The loops of a run. New behaviour is a hook or a strategy, not an `if` in here.
#include <cmath>

#include "strata/cpp/error.hpp"

#include "train/runner.hpp"

namespace strata::train {
namespace {

unit::Fields fields_of(const data::Batch& batch) {
  unit::Fields fields;
  for (const data::BatchField& field : batch.fields) {
    fields.emplace_back(field.name, field.tensor);
  }
  return fields;
}

std::vector<strata_named_number> named(const border::Numbers& numbers) {
  std::vector<strata_named_number> out;
  for (const auto& [name, value] : numbers) {
    out.push_back({border::view(std::string_view(name)), value});
  }
  return out;
}

strata_hook_ctx context_of(int64_t batch_idx, const data::Batch& batch) {
  strata_hook_ctx context = hooks::HookBus::empty_context();
  context.batch_idx = batch_idx;
  context.batch_size = batch.size;
  return context;
}

// The loop that interrupted another puts its place back.
class ProgressScope {
 public:
  explicit ProgressScope(strata_progress& progress) : progress_(progress), before_(progress) {}

  ProgressScope(const ProgressScope&) = delete;
  ProgressScope& operator=(const ProgressScope&) = delete;

  ~ProgressScope() {
    progress_.mode = before_.mode;
    progress_.inner_iter = before_.inner_iter;
    progress_.loop_length = before_.loop_length;
  }

 private:
  strata_progress& progress_;
  strata_progress before_;
};

}  // namespace

void Runner::train() {
  build_engine(/*training=*/true);
  restore_training_state();
  engine_->begin(iters_done_, progress_.max_iters);
  hooks_.fire(STRATA_POINT_BEFORE_RUN);
  hooks_.fire(STRATA_POINT_BEFORE_TRAIN);
  try {
    if (progress_.by_epoch != 0) {
      run_epochs();
    } else {
      run_iterations();
    }
    close_window();
    hooks_.fire(STRATA_POINT_AFTER_TRAIN);
  } catch (const EarlyEnd&) {  // NOLINT(bugprone-empty-catch): training goes on from what was saved
  }
  hooks_.fire(STRATA_POINT_AFTER_RUN);
  writer_.wait();
  session_.world().barrier();  // rank 0's store outlives what the others ask of it
}

void Runner::run_epochs() {
  while (progress_.epoch < progress_.max_epochs && stop_reason_.empty()) {
    train_epoch();
    validate_if_due(progress_.epoch);
  }
}

void Runner::train_epoch() {
  progress_.mode = STRATA_MODE_TRAIN;
  progress_.loop_length = progress_.epoch_length;
  hooks_.fire(STRATA_POINT_BEFORE_TRAIN_EPOCH);
  engine_->model().set_training(true);
  const int64_t from = progress_.iter - progress_.epoch * progress_.epoch_length;
  stop_poll_.restart();
  train_loader_->begin_pass(sampler_epoch_, from);
  data::Batch batch;
  for (int64_t i = from; stop_reason_.empty() && train_loader_->next(batch); ++i) {
    train_iter(batch, i);
  }
  if (progress_.iter ==
      (progress_.epoch + 1) * progress_.epoch_length) {  // else it was stopped on the way
    epochs_done_ = progress_.epoch + 1;
  }
  hooks_.fire(STRATA_POINT_AFTER_TRAIN_EPOCH);
  progress_.epoch = epochs_done_;
}

void Runner::run_iterations() {
  progress_.mode = STRATA_MODE_TRAIN;
  progress_.loop_length = progress_.max_iters;
  hooks_.fire(STRATA_POINT_BEFORE_TRAIN_EPOCH);
  engine_->model().set_training(true);
  const int64_t length = train_loader_->length();
  const int64_t position = progress_.iter + data_shift_;
  int64_t pass = length == data::kEndless ? 0 : position / length;
  train_loader_->begin_pass(pass, length == data::kEndless ? position : position % length);
  stop_poll_.restart();
  data::Batch batch;
  while (progress_.iter < progress_.max_iters && stop_reason_.empty()) {
    if (!train_loader_->next(batch)) {
      train_loader_->begin_pass(++pass);
      continue;
    }
    train_iter(batch, progress_.iter);
    validate_if_due(progress_.iter);
  }
  epochs_done_ = 1;
  hooks_.fire(STRATA_POINT_AFTER_TRAIN_EPOCH);
  progress_.epoch = epochs_done_;
}

void Runner::train_iter(data::Batch& batch, int64_t batch_idx) {
  if (updates_here_ == 0) {
    stop_if_interrupted();
  }
  writer_.check();
  progress_.inner_iter = batch_idx;
  strata_hook_ctx context = context_of(batch_idx, batch);
  hooks_.fire(STRATA_POINT_BEFORE_TRAIN_ITER, context);
  const int64_t sent_before = session_.world().bytes_sent();
  IterReport report = engine_->stepper().train(fields_of(batch), progress_.iter, progress_.step);
  count_traffic(sent_before, report.updated);
  iters_done_ = progress_.iter + 1;
  window_open_ = !report.updated;
  updates_here_ += report.updated ? 1 : 0;
  if (report.updated && report.result.skipped == 0) {
    ++progress_.step;
  }
  if (report.updated && !std::isnan(report.result.grad_norm)) {
    report.values.emplace_back("grad_norm", report.result.grad_norm);
  }
  const auto numbers = named(report.values);
  context.numbers = numbers.data();
  context.n_numbers = numbers.size();
  hooks_.fire(STRATA_POINT_AFTER_TRAIN_ITER, context);
  // After the hooks: what is saved has to have the schedules' step of this iteration.
  if (!window_open_) {
    run_waiting();
  }
  progress_.iter = iters_done_;
  if (progress_.iter < progress_.max_iters && stop_reason_.empty()) {
    stop_if_asked();
  }
}

void Runner::run_waiting() {
  for (; !after_update_.empty(); after_update_.pop_front()) {
    const auto action = std::exchange(after_update_.front(), [] {});
    action();
  }
}

// A hook stopped the run before the update that checkpoints wait for. The window's gradients are in none of them; the
// counters say how many updates were made.
void Runner::close_window() {
  if (!after_update_.empty()) {
    session_.log().warn(
        "Training stopped inside an accumulation window: the gradients since update {} are "
        "dropped, and "
        "checkpoints that waited for the next one are taken now.",
        progress_.step);
  }
  window_open_ = false;
  run_waiting();
}

void Runner::validate_if_due(int64_t done) {
  const TrainLoopConfig& loop = *session_.run().train_loop;
  const bool last = done == (loop.by_epoch ? progress_.max_epochs : progress_.max_iters);
  if (evaluation_ != nullptr && done >= loop.val_begin && (done % loop.val_interval == 0 || last)) {
    stop_poll_.restart();
    run_evaluation(STRATA_MODE_VAL);
    engine_->model().set_training(true);
    stop_poll_.restart();
  }
}

border::Numbers Runner::evaluate() {
  build_engine(/*training=*/false);
  hooks_.fire(STRATA_POINT_BEFORE_RUN);
  border::Numbers metrics =
      run_evaluation(command_ == Command::kTest ? STRATA_MODE_TEST : STRATA_MODE_VAL);
  hooks_.fire(STRATA_POINT_AFTER_RUN);
  return metrics;
}

border::Numbers Runner::run_evaluation(int32_t mode) {
  const ProgressScope scope(progress_);
  const bool test = mode == STRATA_MODE_TEST;
  const auto point = [test](int32_t val, int32_t in_test) { return test ? in_test : val; };
  progress_.mode = mode;
  progress_.loop_length = eval_loader_->length();
  hooks_.fire(point(STRATA_POINT_BEFORE_VAL, STRATA_POINT_BEFORE_TEST));
  hooks_.fire(point(STRATA_POINT_BEFORE_VAL_EPOCH, STRATA_POINT_BEFORE_TEST_EPOCH));
  engine_->model().set_training(false);
  evaluation_->reset();
  eval_loader_->begin_pass(0);
  data::Batch batch;
  for (int64_t i = 0; eval_loader_->next(batch); ++i) {
    if (updates_here_ == 0) {
      stop_if_interrupted();
    } else {
      stop_if_asked();
    }
    progress_.inner_iter = i;
    const strata_hook_ctx context = context_of(i, batch);
    hooks_.fire(point(STRATA_POINT_BEFORE_VAL_ITER, STRATA_POINT_BEFORE_TEST_ITER), context);
    evaluation_->process(batch, engine_->stepper().predict(fields_of(batch)));
    hooks_.fire(point(STRATA_POINT_AFTER_VAL_ITER, STRATA_POINT_AFTER_TEST_ITER), context);
  }
  last_metrics_ = evaluation_->compute(session_.world());
  strata_hook_ctx context = hooks::HookBus::empty_context();
  const auto numbers = named(last_metrics_);
  context.numbers = numbers.data();
  context.n_numbers = numbers.size();
  hooks_.fire(point(STRATA_POINT_AFTER_VAL_EPOCH, STRATA_POINT_AFTER_TEST_EPOCH), context);
  hooks_.fire(point(STRATA_POINT_AFTER_VAL, STRATA_POINT_AFTER_TEST));
  return last_metrics_;
}

}  // namespace strata::train
