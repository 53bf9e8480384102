// Schedules of a run.
#include "optim/schedulers.hpp"

#include <algorithm>
#include <limits>

#include "strata/abi/services.h"

#include "config/dump.hpp"
#include "config/nearest.hpp"

namespace strata::optim {
namespace {

std::vector<std::string_view> names_of(const HyperTable& hypers) {
  std::vector<std::string_view> out;
  for (const Hyper& h : hypers.hypers()) {
    out.push_back(h.name);
  }
  return out;
}

int64_t run_end(bool by_epoch, const RunLength& run) {
  if (by_epoch) {
    return run.max_epochs;
  }
  return run.max_iters > 0 ? run.max_iters : run.max_epochs * run.epoch_length;
}

}  // namespace

Schedulers::Schedulers(const config::Value* config,
                       const SchedulerFactory& make,
                       HyperTable& hypers,
                       const RunLength& run)
    : hypers_(&hypers), epoch_length_(run.epoch_length) {
  hypers.freeze_initial();
  if (config == nullptr) {
    return;
  }
  if (config->is_list()) {
    for (const config::Value& table : config->as_list()) {
      add(table, make, run);
    }
  } else {
    add(*config, make, run);
  }
  begin();
}

// Step 0 of those that begin with the run.
void Schedulers::begin() {
  for (Item& item : items_) {
    if (item.monitor.empty() && item.begin == 0) {
      apply(item, 0, std::numeric_limits<double>::quiet_NaN());
    }
  }
}

void Schedulers::add(const config::Value& table,
                     const SchedulerFactory& make,
                     const RunLength& run) {
  Item item;
  item.object = make(table);
  item.where = table.where();
  item.config = config::format_inline(table);
  strata_scheduler_desc desc{};
  desc.h = STRATA_HDR(strata_scheduler_desc);
  desc.end = -1;
  desc.by_epoch = 1;
  item.object.call(&strata_param_scheduler_api::describe, &desc);
  item.param = std::string(border::view(desc.param));
  item.monitor = std::string(border::view(desc.monitor));
  find_driven(item, desc);
  place(item, desc, run);
  items_.push_back(std::move(item));
}

void Schedulers::find_driven(Item& item, const strata_scheduler_desc& desc) const {
  const auto column = hypers_->find(item.param);
  if (!column) {
    throw config_error(item.where,
                       item.object.type(),
                       " drives \"",
                       item.param,
                       "\", which the optimizer has not",
                       config::did_you_mean(item.param, names_of(*hypers_)));
  }
  item.driven.push_back({*column, 0});
  for (uint64_t i = 0; i < desc.n_also; ++i) {
    if (const auto further = hypers_->find(border::view(desc.also[i]))) {
      item.driven.push_back({*further, static_cast<int32_t>(i) + 1});
    }
  }
}

// Skipped updates are not known beforehand, so the end is open.
void Schedulers::place_updates(Item& item, const RunLength& run) {
  item.clock = Clock::kUpdate;
  const int64_t iters = run_end(/*by_epoch=*/false, run);
  const int64_t updates = (iters + run.accumulation - 1) / run.accumulation;
  item.length = (item.end < 0 ? std::max(updates, item.begin) : item.end) - item.begin;
  item.end = item.end < 0 ? std::numeric_limits<int64_t>::max() : item.end;
}

// Its epochs become as many iterations.
void Schedulers::count_iterations(Item& item, const RunLength& run) {
  if (run.epoch_length < 1 || run.epoch_length > std::numeric_limits<int32_t>::max()) {
    throw config_error(item.where,
                       item.object.type(),
                       ": convert_to_iter_based needs the length of an epoch, and "
                       "the train loader does not tell it");
  }
  item.clock = Clock::kIter;
  item.epoch_length = static_cast<int32_t>(run.epoch_length);
  item.begin *= run.epoch_length;
  item.end = item.end < 0 ? item.end : item.end * run.epoch_length;
}

void Schedulers::place(Item& item, const strata_scheduler_desc& desc, const RunLength& run) {
  item.clock = desc.by_epoch != 0 ? Clock::kEpoch : Clock::kIter;
  item.begin = desc.begin;
  item.end = desc.end;
  if (desc.by_update != 0) {
    return place_updates(item, run);
  }
  if (!item.monitor.empty()) {  // counts validations; nothing says how many there will be
    item.end = item.end < 0 ? std::numeric_limits<int64_t>::max() : item.end;
    item.length = item.end - item.begin;
    return;
  }
  if (desc.convert_to_iter_based != 0) {
    count_iterations(item, run);
  }
  const bool by_epoch = item.clock == Clock::kEpoch;
  if (by_epoch && !run.by_epoch) {
    throw config_error(item.where,
                       item.object.type(),
                       " counts epochs (by_epoch = true), but the run counts "
                       "iterations, so it would never step; set by_epoch = false, or "
                       "convert_to_iter_based = true to "
                       "keep its numbers");
  }
  item.end = item.end < 0 ? run_end(by_epoch, run) : item.end;
  if (item.end <= item.begin) {
    throw config_error(item.where,
                       item.object.type(),
                       " begins at ",
                       item.begin,
                       ", when its end ",
                       item.end,
                       " is reached; both count ",
                       by_epoch ? "epochs" : "iterations");
  }
  item.length = item.end - item.begin;
}

void Schedulers::apply(Item& item, int64_t t, double metric) {
  strata_scheduler_args args{};
  args.h = STRATA_HDR(strata_scheduler_args);
  args.t = t;
  args.length = item.length;
  args.metric = metric;
  args.epoch_length = item.epoch_length;
  args.n_groups = hypers_->groups();
  for (const Driven& driven : item.driven) {
    args.param = driven.param;
    apply_to(item, driven, args);
  }
}

void Schedulers::apply_to(Item& item, const Driven& driven, strata_scheduler_args args) {
  for (int32_t row = 0; row < hypers_->rows(); ++row) {
    args.group = row;
    args.base = hypers_->initial(row, driven.column);
    args.current = hypers_->get(row, driven.column);
    double out = args.current;
    try {
      item.object.call(&strata_param_scheduler_api::value, &args, &out);
    } catch (const Error& e) {
      throw Error(e.code(), e.message(), e.where().empty() ? item.where : e.where());
    }
    hypers_->set(row, driven.column, out);
  }
}

void Schedulers::step(int32_t when, const border::Numbers& metrics, int64_t updates) {
  switch (when) {
    case STRATA_AFTER_ITER:
      advance(Clock::kIter, ++iters_);
      if (updates > updates_) {
        updates_ = updates;
        advance(Clock::kUpdate, updates_);
      }
      return;
    case STRATA_AFTER_EPOCH:
      return advance(Clock::kEpoch, ++epochs_);
    case STRATA_AFTER_VAL:
      for (Item& item : items_) {
        if (!item.monitor.empty()) {
          validated(item, metrics);
        }
      }
      return;
    default:
      throw Error(STRATA_E_ARGUMENT,
                  text("scheduler_step knows STRATA_AFTER_ITER, _EPOCH and _VAL, not ", when));
  }
}

void Schedulers::advance(Clock clock, int64_t position) {
  for (Item& item : items_) {
    if (item.monitor.empty() && item.clock == clock && item.begin <= position &&
        position < item.end) {
      apply(item, position - item.begin, std::numeric_limits<double>::quiet_NaN());
    }
  }
}

void Schedulers::validated(Item& item, const border::Numbers& metrics) {
  if (epochs_ < item.begin || epochs_ >= item.end) {
    return;
  }
  const auto it = std::ranges::find_if(
      metrics, [&](const auto& metric) { return metric.first == item.monitor; });
  if (it == metrics.end()) {
    std::vector<std::string_view> names;
    std::string listed;
    for (const auto& [name, value] : metrics) {
      names.push_back(name);
      listed += (listed.empty() ? "" : ", ") + name;
    }
    throw config_error(item.where,
                       item.object.type(),
                       " monitors \"",
                       item.monitor,
                       "\", which the validation did not report; it reported ",
                       listed.empty() ? "nothing" : listed,
                       config::did_you_mean(item.monitor, names));
  }
  apply(item, item.validations, it->second);
  ++item.validations;
}

}  // namespace strata::optim
