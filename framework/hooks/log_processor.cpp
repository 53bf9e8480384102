// MMEngine's line layouts, to the character: parsers of its logs read ours.
#include "hooks/log_processor.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace strata::hooks {
namespace {

std::string_view mode_name(int32_t mode) {
  static constexpr std::array<std::string_view, 3> kNames = {"train", "val", "test"};
  return kNames.at(static_cast<size_t>(mode));
}

// A NaN's sign means nothing, but printf shows it.
double plain(double value) {
  return std::isnan(value) ? std::numeric_limits<double>::quiet_NaN() : value;
}

size_t digits_of(int64_t value) {
  return std::to_string(value).size();
}

double statistic(const History& history, CustomScalar::Method method, int64_t window) {
  switch (method) {
    case CustomScalar::Method::kMean:
      return history.mean(window);
    case CustomScalar::Method::kMax:
      return history.max(window);
    case CustomScalar::Method::kMin:
      return history.min(window);
    case CustomScalar::Method::kCurrent:
      break;
  }
  return history.current();
}

bool is_time(const std::string& name) {
  return name == "time" || name == "data_time";
}

}  // namespace

std::string duration_text(double seconds) {
  const int64_t total = seconds > 0 ? static_cast<int64_t>(std::min(seconds, 9e15)) : 0;
  const int64_t days = total / 86400;
  const int64_t rest = total % 86400;
  const std::string day = days == 0 ? "" : fmt::format("{} day{}, ", days, days == 1 ? "" : "s");
  return fmt::format("{}{}:{:02}:{:02}", day, rest / 3600, rest / 60 % 60, rest % 60);
}

LogProcessor::LogProcessor(LogOptions options, const MessageHub& hub, LogSources sources)
    : options_(std::move(options)),
      hub_(hub),
      sources_(std::move(sources)),
      pattern_(options_.mean_pattern) {}

bool LogProcessor::is_mean(const std::string& name) {
  const auto [known, added] = is_mean_.emplace(name, false);
  if (added) {
    known->second = std::regex_search(name, pattern_);
  }
  return known->second;
}

LogProcessor::Items LogProcessor::collect(std::string_view mode, bool windowed) {
  const std::string prefix = std::string(mode) + "/";
  Items out;
  for (const auto& [key, history] : hub_.scalars()) {
    if (key.starts_with(prefix)) {
      std::string name = key.substr(prefix.size());
      const double value =
          windowed && is_mean(name) ? history.mean(options_.window_size) : history.current();
      out.push_back({std::move(name), value});
    }
  }
  return out;
}

void LogProcessor::add_custom(const strata_progress& at, int64_t batch_idx, Items& items) const {
  for (const CustomScalar& custom : options_.custom) {
    const History* history = hub_.scalar(fmt::format("{}/{}", mode_name(at.mode), custom.source));
    if (history == nullptr) {
      continue;
    }
    const std::array<int64_t, 4> windows = {
        custom.size, batch_idx + 1, at.iter + 1, history->size()};
    const double value =
        statistic(*history, custom.method, windows[static_cast<size_t>(custom.window)]);
    const auto shown = std::ranges::find(items, custom.name, &Item::name);
    if (shown == items.end()) {
      items.push_back({custom.name, value});
    } else {
      shown->value = value;
    }
  }
}

void LogProcessor::average(Items& items) const {
  std::vector<double> values;
  for (const Item& item : items) {
    if (!item.is_lr()) {
      values.push_back(item.value);
    }
  }
  sources_.mean_over_ranks(values);
  auto mean = values.begin();
  for (Item& item : items) {
    if (!item.is_lr()) {
      item.value = *mean++;
    }
  }
}

std::string LogProcessor::header(const strata_progress& at, int64_t batch_idx) const {
  const std::string_view mode = mode_name(at.mode);
  const bool train = at.mode == STRATA_MODE_TRAIN;
  if (!epochs(at)) {
    const int64_t total = train ? at.max_iters : at.loop_length;
    return fmt::format("Iter({}) [{:>{}}/{}]  ",
                       mode,
                       train ? at.iter + 1 : batch_idx + 1,
                       digits_of(total),
                       total);
  }
  const auto place =
      fmt::format("[{:>{}}/{}]  ", batch_idx + 1, digits_of(at.loop_length), at.loop_length);
  if (at.mode == STRATA_MODE_TEST) {
    return fmt::format("Epoch({}) {}", mode, place);
  }
  const auto epoch = fmt::format("[{}]", train ? at.epoch + 1 : at.epoch);
  return fmt::format("Epoch({}){:>{}}{}", mode, epoch, digits_of(at.max_epochs) + 3, place);
}

std::string LogProcessor::decimal(double value) const {
  return fmt::format("{:.{}f}", plain(value), options_.num_digits);
}

std::string LogProcessor::times(const Items& items) const {
  const auto time = std::ranges::find(items, "time", &Item::name);
  const auto data_time = std::ranges::find(items, "data_time", &Item::name);
  const auto eta = hub_.number("eta");
  if (time == items.end() || data_time == items.end() || !eta) {
    return {};
  }
  return fmt::format("eta: {}  time: {}  data_time: {}  ",
                     duration_text(*eta),
                     decimal(time->value),
                     decimal(data_time->value));
}

std::string LogProcessor::tag_name(const strata_progress& at, const std::string& name) const {
  return options_.log_with_hierarchy ? fmt::format("{}/{}", mode_name(at.mode), name) : name;
}

void LogProcessor::add_tags_of_the_run(const strata_progress& at,
                                       int64_t memory,
                                       Scalars& tags) const {
  if (epochs(at) && at.mode != STRATA_MODE_TEST) {
    tags.emplace_back("epoch", at.mode == STRATA_MODE_TRAIN ? at.epoch + 1 : at.epoch);
  }
  tags.emplace_back("iter", at.iter + 1);
  tags.emplace_back("memory", memory);
  if (at.mode == STRATA_MODE_TRAIN && sources_.unshown) {
    const Scalars more = sources_.unshown();
    tags.insert(tags.end(), more.begin(), more.end());
  }
}

LogLine LogProcessor::after_iter(const strata_progress& at, int64_t batch_idx) {
  Items items = collect(mode_name(at.mode), true);
  add_custom(at, batch_idx, items);
  if (at.mode == STRATA_MODE_TRAIN) {
    average(items);
  }
  LogLine out;
  std::string rates;
  std::string rest;
  const std::string timing = times(items);
  for (const Item& item : items) {
    out.tags.emplace_back(tag_name(at, item.name), item.value);
    if (item.is_lr()) {
      rates += fmt::format("{}{}: {:.{}e}",
                           rates.empty() ? "" : " ",
                           item.name,
                           plain(item.value),
                           options_.num_digits);
    } else if (at.mode == STRATA_MODE_TRAIN && (timing.empty() || !is_time(item.name))) {
      rest += fmt::format("{}{}: {}", rest.empty() ? "" : "  ", item.name, decimal(item.value));
    }
  }
  const int64_t memory = sources_.peak_mb();
  add_tags_of_the_run(at, memory, out.tags);
  out.text =
      fmt::format("{}{}  {}memory: {}  {}", header(at, batch_idx), rates, timing, memory, rest);
  return out;
}

LogLine LogProcessor::after_epoch(const strata_progress& at, int64_t batches) {
  const std::string mode(mode_name(at.mode));
  Items items = collect(mode, false);
  for (Item& item : items) {
    if (is_time(item.name)) {
      item.value = hub_.scalar(mode + "/" + item.name)->mean(batches);
    }
  }
  add_custom(at, batches - 1, items);
  std::ranges::stable_partition(items, [](const Item& item) { return !is_time(item.name); });

  LogLine out;
  std::vector<std::string> shown;
  std::vector<std::string> timing;
  for (const Item& item : items) {
    out.tags.emplace_back(tag_name(at, item.name), item.value);
    (is_time(item.name) ? timing : shown).push_back(item.name + ": " + decimal(item.value));
  }
  for (const auto& [key, fact] : hub_.facts()) {
    if (const auto* text = std::get_if<std::string>(&fact);
        text != nullptr && key.starts_with(mode + "/")) {
      shown.push_back(key.substr(mode.size() + 1) + ": " + *text);
    }
  }
  shown.insert(shown.end(), timing.begin(), timing.end());
  const bool with_epoch = epochs(at) && at.mode == STRATA_MODE_VAL;
  out.text = fmt::format("{}({}) {}[{}/{}]    {}",
                         epochs(at) ? "Epoch" : "Iter",
                         mode,
                         with_epoch ? fmt::format("[{}]", at.epoch) : "",
                         batches,
                         batches,
                         fmt::join(shown, "  "));
  return out;
}

}  // namespace strata::hooks
