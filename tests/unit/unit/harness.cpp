// The parts of a rank, put together as the host does it.
#include "harness.hpp"

#include <cstring>

#include <ATen/ops/full.h>
#include <ATen/ops/zeros_like.h>

#include "comm/world.hpp"
#include "unit/forward.hpp"

namespace strata::testing {
namespace {

const void* find_service(strata_str id) {
  const std::string_view name = border::view(id);
  if (name == STRATA_MEMORY_API) {
    return unit::memory_service();
  }
  if (name == STRATA_PARAM_API) {
    return unit::param_service();
  }
  if (name == STRATA_TENSOR_API) {
    return unit::tensor_service();
  }
  if (name == STRATA_UNITS_API) {
    return unit::units_service();
  }
  if (name == STRATA_COMM_API) {
    return comm::comm_service();
  }
  return nullptr;
}

}  // namespace

void install_host() {
  static const strata_host host = {
      STRATA_HDR(strata_host), border::error_service(), nullptr, nullptr, &find_service};
  detail::host = &host;
}

Rank::Rank(std::unique_ptr<strata::Model> model,
           std::unique_ptr<strata::Strategy> strategy,
           comm::World* world) {
  install_host();
  rt_.memory = &memory_;
  rt_.comm = world;
  const int32_t rank = world == nullptr ? 0 : world->rank();
  world_size_ = world == nullptr ? 1 : world->size();
  strategy_ =
      wrap<strata::Strategy, strata_strategy_api>(std::move(strategy), &rt_, "FlatStrategy");
  strata_setup_args setup{};
  setup.h = STRATA_HDR(strata_setup_args);
  setup.rank = rank;
  setup.world_size = world_size_;
  strategy_.call(&strata_strategy_api::setup_env, static_cast<const strata_setup_args*>(&setup));
  model_ = std::make_unique<unit::Model>(
      wrap<strata::Model, strata_model_api>(std::move(model), &rt_, "TestModel"), kSeed);
  rt_.model = model_.get();
  const auto plan = unit::plan_units(*model_, strategy_);
  tracker_ = std::make_unique<unit::Tracker>(*model_, strategy_, plan);
  rt_.tracker = tracker_.get();
  unit::materialize(*model_, strategy_, plan);
  optim::ViewSink sink;
  strategy_.call(&strata_strategy_api::optim_views, sink.c());
  views_ = sink.take();
  ctx_.h = STRATA_HDR(strata_step_ctx);
  ctx_.n_micro = 1;
}

Rank::~Rank() = default;

float Rank::backward(const std::vector<std::pair<std::string, at::Tensor>>& batch) {
  ctx_.flags = STRATA_CTX_LAST_MICRO;
  tracker_->begin(&ctx_);
  const auto losses =
      unit::parse_losses(unit::forward(*model_, *tracker_, STRATA_FORWARD_LOSS, batch));
  tracker_->backward(losses.total, 1.0 / world_size_);
  ++ctx_.iter;
  return losses.total.item<float>();
}

float Rank::step(const std::vector<std::pair<std::string, at::Tensor>>& batch, double lr) {
  const float loss = backward(batch);
  sgd(lr);
  strategy_.call(&strata_strategy_api::post_step, static_cast<const strata_step_ctx*>(&ctx_));
  model_->zero_grad();
  return loss;
}

void Rank::sgd(double lr) {
  const auto& memory = *unit::memory_service();
  for (const optim::View& view : views_) {
    auto* value = static_cast<float*>(memory.data(view.c.value));
    const auto* grad = static_cast<const float*>(memory.data(view.c.grad));
    for (const strata_segment& s : view.segments) {
      if (!model_->param(s.param).touched) {
        continue;
      }
      for (int64_t i = s.view_offset; i < s.view_offset + s.count; ++i) {
        value[i] -= static_cast<float>(lr) * grad[i];
      }
    }
  }
}

at::Tensor Rank::gradient(const std::string& name) {
  const auto& memory = *unit::memory_service();
  for (const optim::View& view : views_) {
    for (const strata_segment& s : view.segments) {
      const unit::Param& p = model_->param(s.param);
      if (p.name == name && p.touched) {
        const auto* grad = static_cast<const float*>(memory.data(view.c.grad)) + s.view_offset;
        at::Tensor out = at::zeros_like(p.tensor.detach(), at::MemoryFormat::Contiguous);
        std::memcpy(
            out.mutable_data_ptr<float>(), grad, static_cast<size_t>(s.count) * sizeof(float));
        return out;
      }
    }
  }
  return {};
}

}  // namespace strata::testing
