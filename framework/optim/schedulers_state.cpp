// Schedulers to JSON and back.
#include <algorithm>

#include <nlohmann/json.hpp>

#include "strata/abi/services.h"

#include "border/sinks.hpp"
#include "optim/schedulers.hpp"

namespace strata::optim {
namespace {

using Json = nlohmann::json;

/// One value per row.
Json column(const HyperTable& hypers, size_t index, bool initial) {
  Json out = Json::array();
  for (int32_t row = 0; row < hypers.rows(); ++row) {
    out.push_back(initial ? hypers.initial(row, index) : hypers.get(row, index));
  }
  return out;
}

/// Where the schedule was, for an initial value that may have changed since.
double carried_over(double initial, double saved_initial, double saved) {
  if (initial == saved_initial) {
    return saved;
  }
  return saved_initial == 0 ? initial : initial * (saved / saved_initial);
}

void load_column(HyperTable& hypers, size_t index, const Json& saved) {
  const auto initial = saved.at("initial").get<std::vector<double>>();
  const auto current = saved.at("current").get<std::vector<double>>();
  if (initial.empty() || initial.size() != current.size()) {
    throw Error(STRATA_E_IO,
                text("the saved schedule of ", hypers.hypers()[index].name, " is incomplete"));
  }
  const bool same_groups = initial.size() == static_cast<size_t>(hypers.rows());
  for (int32_t row = 0; row < hypers.rows(); ++row) {
    // With other groups than before, each goes on as the reference did, which is the last row.
    const size_t from = same_groups ? static_cast<size_t>(row) : initial.size() - 1;
    hypers.set(row, index, carried_over(hypers.initial(row, index), initial[from], current[from]));
  }
}

}  // namespace

std::string Schedulers::save() const {
  Json out = {{"epochs", epochs_},
              {"iters", iters_},
              {"updates", updates_},
              {"schedulers", Json::array()},
              {"hypers", Json::object()}};
  for (const Item& item : items_) {
    const border::TextSink state;
    item.object.call(&strata_param_scheduler_api::save, state.c());
    out["schedulers"].push_back({{"type", item.object.type()},
                                 {"config", item.config},
                                 {"length", item.length},
                                 {"epoch_length", item.epoch_length},
                                 {"param", item.param},
                                 {"validations", item.validations},
                                 {"state", state.str()}});
  }
  for (size_t i = 0; i < hypers_->hypers().size(); ++i) {
    out["hypers"][hypers_->hypers()[i].name] = {{"initial", column(*hypers_, i, true)},
                                                {"current", column(*hypers_, i, false)}};
  }
  return out.dump();
}

// Whether the saved schedules are those of this run.
bool Schedulers::is_planned_as(std::string_view json) const {
  const Json saved = Json::parse(json);
  const Json& schedulers = saved.at("schedulers");
  bool same = schedulers.size() == items_.size();
  for (size_t i = 0; same && i < items_.size(); ++i) {
    same = schedulers[i].at("config") == items_[i].config &&
           schedulers[i].at("length") == items_[i].length &&
           schedulers[i].at("epoch_length") == items_[i].epoch_length;
  }
  for (size_t i = 0; same && i < hypers_->hypers().size(); ++i) {
    const Json& columns = saved.at("hypers");
    const auto it = columns.find(hypers_->hypers()[i].name);
    same = it != columns.end() && it->at("initial") == column(*hypers_, i, true);
  }
  return same;
}

bool Schedulers::load(std::string_view json) {
  try {
    const bool monitors =
        std::ranges::any_of(items_, [](const Item& item) { return !item.monitor.empty(); });
    if (!monitors && !is_planned_as(json)) {
      return false;
    }
    load_all(json);
    return true;
  } catch (const Json::exception& e) {
    throw Error(STRATA_E_IO,
                text("the saved state of the parameter schedulers cannot be read: ", e.what()));
  }
}

void Schedulers::load_all(std::string_view json) {
  const Json in = Json::parse(json);
  epochs_ = in.at("epochs").get<int64_t>();
  iters_ = in.at("iters").get<int64_t>();
  updates_ = in.at("updates").get<int64_t>();
  const Json& saved = in.at("schedulers");
  for (size_t i = 0; i < items_.size() && i < saved.size(); ++i) {
    Item& item = items_[i];
    if (saved[i].at("type") != item.object.type() || saved[i].at("param") != item.param) {
      continue;
    }
    item.validations = saved[i].at("validations").get<int64_t>();
    const auto state = saved[i].at("state").get<std::string>();
    if (!state.empty()) {
      item.object.call(&strata_param_scheduler_api::load, border::view(std::string_view(state)));
    }
  }
  for (size_t i = 0; i < hypers_->hypers().size(); ++i) {
    const auto it = in.at("hypers").find(hypers_->hypers()[i].name);
    if (it != in.at("hypers").end()) {
      load_column(*hypers_, i, *it);
    }
  }
}

void Schedulers::recompute(int64_t epochs, int64_t iters, int64_t updates) {
  for (size_t column = 0; column < hypers_->hypers().size(); ++column) {
    for (int32_t row = 0; row < hypers_->rows(); ++row) {
      hypers_->set(row, column, hypers_->initial(row, column));
    }
  }
  epochs_ = iters_ = updates_ = 0;
  begin();
  for (int64_t i = 1; i <= iters; ++i) {
    step(STRATA_AFTER_ITER, {}, i * updates / iters);
    if (epoch_length_ > 0 && i % epoch_length_ == 0 && epochs_ < epochs) {
      step(STRATA_AFTER_EPOCH);
    }
  }
  while (epochs_ < epochs) {
    step(STRATA_AFTER_EPOCH);
  }
}

}  // namespace strata::optim
