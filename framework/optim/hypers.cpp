// The table of hyper-parameters.
#include "optim/hypers.hpp"

#include <algorithm>

namespace strata::optim {

std::vector<Hyper> hypers_of(const border::Object<strata_optimizer_api>& optimizer) {
  strata_optimizer_caps caps{};
  caps.h = STRATA_HDR(strata_optimizer_caps);
  optimizer.call(&strata_optimizer_api::describe, &caps);
  std::vector<Hyper> out;
  for (uint64_t i = 0; i < caps.n_hypers; ++i) {
    const strata_hyper& h = caps.hypers[i];
    out.push_back({std::string(border::view(h.name)), h.value, h.flags});
  }
  return out;
}

HyperTable::HyperTable(std::vector<Hyper> hypers, const std::vector<std::vector<double>>& groups)
    : hypers_(std::move(hypers)), groups_(static_cast<int32_t>(groups.size())) {
  for (const auto& row : groups) {
    if (row.size() != hypers_.size()) {
      throw Error(
          STRATA_E_ARGUMENT,
          text("a group has ", row.size(), " hyper-parameters, the optimizer ", hypers_.size()));
    }
    initial_.insert(initial_.end(), row.begin(), row.end());
  }
  if (groups_ > 1) {
    for (const Hyper& hyper : hypers_) {
      initial_.push_back(hyper.value);
    }
  }
  current_ = initial_;
}

std::optional<size_t> HyperTable::find(std::string_view name) const {
  const auto column = [&](auto&& matches) -> std::optional<size_t> {
    const auto it = std::find_if(hypers_.begin(), hypers_.end(), matches);
    return it == hypers_.end() ? std::nullopt : std::optional<size_t>(it - hypers_.begin());
  };
  if (const auto exact = column([&](const Hyper& h) { return h.name == name; })) {
    return exact;
  }
  if (name == "lr") {
    return column([](const Hyper& h) { return (h.flags & STRATA_HYPER_LR) != 0; });
  }
  if (name == "momentum") {
    return column([](const Hyper& h) { return (h.flags & STRATA_HYPER_MOMENTUM) != 0; });
  }
  return std::nullopt;
}

std::optional<double> HyperTable::value(std::string_view name, int32_t group) const {
  const auto column = find(name);
  if (!column || group < 0 || group >= groups_) {
    return std::nullopt;
  }
  return get(group, *column);
}

std::optional<double> HyperTable::base_lr() const {
  const auto column = find("lr");
  if (!column || groups_ == 1) {
    return std::nullopt;
  }
  return get(groups_, *column);
}

void HyperTable::scale_lr(double factor) {
  if (frozen_) {
    throw run_error(
        "auto_scale_lr came after the schedulers had taken the learning rate; scale it before");
  }
  for (size_t column = 0; column < hypers_.size(); ++column) {
    if ((hypers_[column].flags & STRATA_HYPER_LR) == 0) {
      continue;
    }
    for (int32_t row = 0; row < rows(); ++row) {
      initial_[at(row, column)] *= factor;
      current_[at(row, column)] *= factor;
    }
  }
}

double auto_scale_factor(int64_t world_size, int64_t micro_batch_size, int64_t base_batch_size) {
  if (world_size < 1 || micro_batch_size < 1 || base_batch_size < 1) {
    throw Error(STRATA_E_ARGUMENT,
                text("auto_scale_lr wants positive numbers, has world size ",
                     world_size,
                     ", batch size ",
                     micro_batch_size,
                     ", base_batch_size ",
                     base_batch_size));
  }
  return static_cast<double>(world_size * micro_batch_size) / static_cast<double>(base_batch_size);
}

}  // namespace strata::optim
