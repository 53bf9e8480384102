// Updates of one rank.
#include "optim/updater.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>

namespace strata::optim {
namespace {

constexpr int64_t kGradPiece = 1 << 18;  // elements: a task for a thread

}  // namespace

Updater::Updater(UpdaterParts parts, const Services& services)
    : services_(services),
      views_(std::move(parts.views)),
      params_(std::move(parts.params)),
      optimizer_(std::move(parts.optimizer)),
      hypers_(std::move(parts.hypers)),
      strategy_(parts.strategy),
      buffers_(std::move(parts.buffers)),
      segments_(index_segments(views_, params_)),
      steps_(params_.size(), 0),
      touched_(params_.size(), 0),
      crew_(parts.threads),
      runner_(optimizer_, crew_) {
  for (const View& view : views_) {
    float_bytes(view.c.value_dtype);
    float_bytes(view.c.grad_dtype);
    if (view.c.copy != nullptr) {
      float_bytes(view.c.copy_dtype);
    }
  }
  for (const ParamSlot& p : params_) {
    if (p.group >= hypers_.groups()) {
      throw Error(STRATA_E_ARGUMENT,
                  text(p.name, " is of group ", p.group, ", there are ", hypers_.groups()));
    }
  }
  allocate_states();
}

// Memory that is not there would be written to all the same; this is where its owner can still be
// named.
std::byte* Updater::memory_of(strata_buffer* buffer, const View& view, const char* what) const {
  auto* const data = static_cast<std::byte*>(services_.memory->data(buffer));
  if (data == nullptr && view.c.numel > 0) {
    const std::string first =
        view.segments.empty() ? "no parameter" : params_[index(view.segments.front().param)].name;
    throw run_error("the ",
                    what,
                    " of the optimizer view that begins with ",
                    first,
                    " is not resident during the update; the strategy must bring it in pre_step");
  }
  return data;
}

GradSpan Updater::grad_span(const View& view, const strata_segment& s) const {
  std::byte* const base = memory_of(view.c.grad, view, "gradient");
  return {base + view.c.grad_offset + s.view_offset * float_bytes(view.c.grad_dtype),
          s.count,
          view.c.grad_dtype};
}

void Updater::look_for_touched() {
  for (size_t p = 0; p < params_.size(); ++p) {
    if (params_[p].group < 0 || segments_[p].empty()) {
      continue;
    }
    int32_t now = 0;
    border::check(services_.param->touched(services_.runtime, static_cast<int32_t>(p), &now));
    const uint8_t flag = now != 0 ? 1 : 0;
    plan_valid_ = plan_valid_ && flag == touched_[p];
    touched_[p] = flag;
  }
  if (!plan_valid_) {
    plan_ = plan_chunks(views_, params_, touched_, steps_, runner_.n_sums() == 0);
    plan_valid_ = true;
  }
}

void Updater::each_grad(const std::function<void(const GradSpan&)>& f) {
  look_for_touched();
  std::vector<GradSpan> spans;
  for (const Stretch& s : plan_) {
    const GradSpan whole = grad_span(views_[index(s.view)], {s.offset, 0, s.count, s.param, 0});
    const int64_t width = float_bytes(whole.dtype);
    for (int64_t at = 0; at < whole.count; at += kGradPiece) {
      spans.push_back({static_cast<std::byte*>(whole.data) + at * width,
                       std::min(kGradPiece, whole.count - at),
                       whole.dtype});
    }
  }
  crew_.each(spans.size(), [&](size_t i) { f(spans[i]); });
}

bool Updater::any_rank(bool here) const {
  if (services_.comm == nullptr) {
    return here;
  }
  strata_group* const world = services_.comm->world(services_.runtime);
  if (services_.comm->size(world) == 1) {
    return here;
  }
  int32_t flag = here ? 1 : 0;
  strata_work* work = nullptr;
  border::check(
      services_.comm->all_reduce(world, &flag, 1, STRATA_I32, STRATA_MAX, nullptr, &work));
  border::check(services_.comm->wait(work, nullptr));
  return flag != 0;
}

void Updater::begin_step() {
  factor_ = 1;
  known_finite_ = false;
}

bool Updater::unscale(double factor) {
  std::atomic<bool> found = false;
  if (!known_finite_) {
    each_grad([&](const GradSpan& grads) {
      if (has_nonfinite(grads)) {
        found = true;
      }
    });
  }
  factor_ *= factor;
  return any_rank(found);
}

void Updater::scale_grads(double factor) {
  factor_ *= factor;
}

void Updater::apply_factor() {
  if (factor_ != 1) {
    each_grad([&](const GradSpan& grads) { scale(grads, factor_); });
    factor_ = 1;
  }
}

void Updater::clamp_grads(double limit) {
  each_grad([&](const GradSpan& grads) { clamp(grads, factor_, limit); });
  factor_ = 1;
}

double Updater::grad_norm(double p) {
  if (!(p >= 1)) {
    throw Error(STRATA_E_ARGUMENT, text("the order of a norm must be at least 1, is ", p));
  }
  if (strategy_ != nullptr && strategy_->has(&strata_strategy_api::grad_norm)) {
    apply_factor();  // the strategy reads gradients as they lie in memory
    double out = 0;
    const strata_rc rc = strategy_->api().grad_norm(strategy_->self(), p, &out);
    if (rc != STRATA_E_UNSUPPORTED) {
      border::check(rc);
      return out;
    }
  }
  return view_norm(p);
}

// Sums of powers of what this rank's views hold, apart for each group over which views are pieces.
// In the order of the views, which is one on all ranks; a group whose parameters this rank does not hold is there too.
std::vector<Updater::GroupSum> Updater::power_sums(double p) {
  look_for_touched();
  std::vector<GroupSum> sums;
  const auto sum_of = [&sums](strata_group* group) -> double& {
    for (GroupSum& sum : sums) {
      if (sum.group == group) {
        return sum.total;
      }
    }
    return sums.emplace_back(GroupSum{group, 0.0}).total;
  };
  for (const View& view : views_) {
    sum_of(view.c.group);
  }
  std::vector<double> totals(params_.size());
  crew_.each(params_.size(), [&](size_t i) {
    if (touched_[i] == 0) {
      return;
    }
    PowerSum sum(p, factor_);
    for (const SegmentRef& ref : segments_[i]) {
      const View& view = views_[index(ref.view)];
      const strata_segment& segment = view.segments[index(ref.segment)];
      sum.add(grad_span(view, segment), segment.param_offset);
    }
    totals[i] = sum.total();
  });
  for (size_t i = 0; i < params_.size(); ++i) {
    if (touched_[i] != 0 && !segments_[i].empty()) {
      double& total = sum_of(views_[index(segments_[i].front().view)].c.group);
      total = combine(p, total, totals[i]);
    }
  }
  return sums;
}

double Updater::view_norm(double p) {
  double norm = 0;
  for (auto& [group, total] : power_sums(p)) {
    if (group != nullptr && services_.comm != nullptr) {
      strata_work* work = nullptr;
      const int32_t op = std::isinf(p) ? STRATA_MAX : STRATA_SUM;
      border::check(services_.comm->all_reduce(group, &total, 1, STRATA_F64, op, nullptr, &work));
      border::check(services_.comm->wait(work, nullptr));
    }
    norm = combine(p, norm, total);
  }
  known_finite_ = std::isfinite(norm);
  return root(p, norm);
}

std::vector<strata_optim_chunk> Updater::fill_chunks() const {
  std::vector<strata_optim_chunk> chunks(plan_.size());
  for (size_t i = 0; i < plan_.size(); ++i) {
    const Stretch& s = plan_[i];
    const View& view = views_[index(s.view)];
    strata_optim_chunk& chunk = chunks[i];
    const int64_t value_at = view.c.value_offset + s.offset * float_bytes(view.c.value_dtype);
    chunk.value = memory_of(view.c.value, view, "value") + value_at;
    chunk.grad = grad_span(view, {s.offset, 0, s.count, s.param, 0}).data;
    chunk.state_dtype = view.c.value_dtype == STRATA_F64 ? STRATA_F64 : STRATA_F32;
    for (size_t k = 0; k < own_states_; ++k) {
      std::byte* const state =
          memory_of(states_[k].buffers[index(s.view)], view, "optimizer state");
      chunk.state[k] = state + s.offset * float_bytes(state_dtype(states_[k], view));
    }
    chunk.count = s.count;
    chunk.step = steps_[index(s.param)] + 1;
    chunk.group = s.group;
    chunk.value_dtype = view.c.value_dtype;
    chunk.grad_dtype = view.c.grad_dtype;
    if (view.c.copy != nullptr) {
      const int64_t copy_at = view.c.copy_offset + s.offset * float_bytes(view.c.copy_dtype);
      chunk.copy = memory_of(view.c.copy, view, "copy of the values") + copy_at;
      chunk.copy_dtype = view.c.copy_dtype;
    }
  }
  return chunks;
}

// What the optimizer asks to know about whole parameters, per chunk: its own terms, those of the parameter's other
// chunks here, and over the views' group those of other ranks.
std::vector<double> Updater::sums_of(std::span<const strata_optim_chunk> chunks,
                                     const StepNumbers& numbers) const {
  const size_t n = runner_.n_sums();
  const std::vector<double> terms = runner_.prepare(chunks, numbers);
  std::vector<std::pair<strata_group*, std::vector<double>>> by_group;  // [param][sum]
  const auto of_group = [&](strata_group* group) -> std::vector<double>& {
    for (auto& [known, sums] : by_group) {
      if (known == group) {
        return sums;
      }
    }
    return by_group.emplace_back(group, std::vector<double>(params_.size() * n)).second;
  };
  for (const View& view : views_) {  // in one order on all ranks, also where a rank holds nothing
    of_group(view.c.group);
  }
  const auto at = [&](size_t chunk) {
    const Stretch& s = plan_[chunk];
    return of_group(views_[index(s.view)].c.group).data() + index(s.param) * n;
  };
  for (size_t i = 0; i < chunks.size(); ++i) {
    for (size_t k = 0; k < n; ++k) {
      at(i)[k] += terms[i * n + k];
    }
  }
  for (auto& [group, sums] : by_group) {
    if (group != nullptr && services_.comm != nullptr) {
      strata_work* work = nullptr;
      const auto count = static_cast<int64_t>(sums.size());
      border::check(services_.comm->all_reduce(
          group, sums.data(), count, STRATA_F64, STRATA_SUM, nullptr, &work));
      border::check(services_.comm->wait(work, nullptr));
    }
  }
  std::vector<double> out;
  for (size_t i = 0; i < chunks.size(); ++i) {
    out.insert(out.end(), at(i), at(i) + n);
  }
  return out;
}

void Updater::optimizer_step() {
  look_for_touched();
  std::vector<strata_optim_chunk> chunks = fill_chunks();
  const StepNumbers numbers = {hypers_.data(), hypers_.hypers().size(), factor_};
  std::vector<double> sums;
  if (runner_.n_sums() > 0) {
    sums = sums_of(chunks, numbers);
    for (size_t i = 0; i < chunks.size(); ++i) {
      chunks[i].sums = sums.data() + i * runner_.n_sums();
    }
  }
  runner_.step(chunks, numbers);
  factor_ = 1;
  for (size_t p = 0; p < params_.size(); ++p) {
    steps_[p] += touched_[p];
  }
}

size_t Updater::number_of(std::string_view param) const {
  const auto it =
      std::ranges::find_if(params_, [&](const ParamSlot& p) { return p.name == param; });
  if (it == params_.end()) {
    throw Error(STRATA_E_NOT_FOUND, text("the optimizer knows no parameter ", param));
  }
  return static_cast<size_t>(it - params_.begin());
}

int64_t Updater::steps(std::string_view param) const {
  return steps_[number_of(param)];
}

void Updater::set_steps(std::string_view param, int64_t steps) {
  steps_[number_of(param)] = steps;
  plan_valid_ = false;
}

}  // namespace strata::optim
