// Schedules of a run.
#include "optim/schedulers.hpp"

#include <algorithm>
#include <limits>

#include "strata/abi/services.h"

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
    : hypers_(&hypers) {
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
  strata_scheduler_desc desc = {STRATA_HDR(strata_scheduler_desc), {}, 0, -1, 1, 0, {}};
  item.object.call(&strata_param_scheduler_api::describe, &desc);
  item.param = std::string(border::view(desc.param));
  item.monitor = std::string(border::view(desc.monitor));
  const auto column = hypers_->find(item.param);
  if (!column) {
    throw config_error(item.where,
                       item.object.type(),
                       " drives \"",
                       item.param,
                       "\", which the optimizer has not",
                       config::did_you_mean(item.param, names_of(*hypers_)));
  }
  item.column = *column;
  place(item, desc, run);
  items_.push_back(std::move(item));
}

void Schedulers::place(Item& item, const strata_scheduler_desc& desc, const RunLength& run) {
  item.by_epoch = desc.by_epoch != 0;
  item.begin = desc.begin;
  item.end = desc.end;
  if (!item.monitor.empty()) {  // counts validations; nothing says how many there will be
    item.end = item.end < 0 ? std::numeric_limits<int64_t>::max() : item.end;
    return;
  }
  if (desc.convert_to_iter_based != 0) {
    if (run.epoch_length < 1 || run.epoch_length > std::numeric_limits<int32_t>::max()) {
      throw config_error(item.where,
                         item.object.type(),
                         ": convert_to_iter_based needs the length of an epoch, and "
                         "the train loader does not tell it");
    }
    item.by_epoch = false;
    item.epoch_length = static_cast<int32_t>(run.epoch_length);
    item.begin *= run.epoch_length;
    item.end = item.end < 0 ? item.end : item.end * run.epoch_length;
  }
  if (item.by_epoch && !run.by_epoch) {
    throw config_error(item.where,
                       item.object.type(),
                       " counts epochs (by_epoch = true), but the run counts "
                       "iterations, so it would never step; set by_epoch = false, or "
                       "convert_to_iter_based = true to "
                       "keep its numbers");
  }
  item.end = item.end < 0 ? run_end(item.by_epoch, run) : item.end;
  if (item.end <= item.begin) {
    throw config_error(item.where,
                       item.object.type(),
                       " begins at ",
                       item.begin,
                       ", when its end ",
                       item.end,
                       " is reached; both count ",
                       item.by_epoch ? "epochs" : "iterations");
  }
}

void Schedulers::apply(Item& item, int64_t t, double metric) {
  strata_scheduler_args args = {STRATA_HDR(strata_scheduler_args),
                                t,
                                item.end - item.begin,
                                0,
                                0,
                                metric,
                                0,
                                item.epoch_length};
  for (int32_t row = 0; row < hypers_->rows(); ++row) {
    args.group = row;
    args.base = hypers_->initial(row, item.column);
    args.current = hypers_->get(row, item.column);
    double out = args.current;
    try {
      item.object.call(&strata_param_scheduler_api::value, &args, &out);
    } catch (const Error& e) {
      throw Error(e.code(), e.message(), e.where().empty() ? item.where : e.where());
    }
    hypers_->set(row, item.column, out);
  }
}

void Schedulers::step(int32_t when, const border::Numbers& metrics) {
  switch (when) {
    case STRATA_AFTER_ITER:
      ++iters_;
      return advance(false);
    case STRATA_AFTER_EPOCH:
      ++epochs_;
      return advance(true);
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

void Schedulers::advance(bool epochs) {
  const int64_t position = epochs ? epochs_ : iters_;
  for (Item& item : items_) {
    if (item.monitor.empty() && item.by_epoch == epochs && item.begin <= position &&
        position < item.end) {
      apply(item, position - item.begin, std::numeric_limits<double>::quiet_NaN());
    }
  }
}

void Schedulers::validated(Item& item, const border::Numbers& metrics) {
  if (epochs_ < item.begin || epochs_ >= item.end) {
    return;
  }
  const auto it = std::find_if(metrics.begin(), metrics.end(), [&](const auto& metric) {
    return metric.first == item.monitor;
  });
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
