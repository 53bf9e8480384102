// Reads and checks the `log_processor` table.
#include "hooks/log_options.hpp"

#include <algorithm>
#include <array>
#include <regex>
#include <set>
#include <span>
#include <string_view>
#include <utility>

#include "strata/cpp/error.hpp"

#include "config/nearest.hpp"

namespace strata::hooks {
namespace {

using config::Value;
using Method = CustomScalar::Method;
using Window = CustomScalar::Window;

void check_keys(const Value& table,
                std::string_view what,
                std::span<const std::string_view> known) {
  for (const config::Entry& entry : table.as_table()) {
    if (std::ranges::find(known, entry.key) == known.end()) {
      throw config_error(entry.value.where(),
                         "unknown key \"",
                         entry.key,
                         "\" in ",
                         what,
                         config::did_you_mean(entry.key, known));
    }
  }
}

Method parse_method(const Value& value) {
  static constexpr std::array<std::string_view, 4> kNames = {"mean", "max", "min", "current"};
  const auto* const found = std::ranges::find(kNames, value.as_text());
  if (found == kNames.end()) {
    throw config_error(
        value.where(), "method_name is mean, max, min or current, not \"", value.as_text(), "\"");
  }
  return static_cast<Method>(found - kNames.begin());
}

void parse_window(const Value& value, bool epochs, CustomScalar& out) {
  if (!value.is_text()) {
    out.window = Window::kFixed;
    out.size = value.as_int();
    if (out.size < 1) {
      throw config_error(value.where(), "window_size must be 1 or more, is ", out.size);
    }
    return;
  }
  if (value.as_text() == "global") {
    out.window = Window::kGlobal;
  } else if (value.as_text() != "epoch") {
    throw config_error(value.where(),
                       R"(window_size is a number, "epoch" or "global", not ")",
                       value.as_text(),
                       "\"");
  } else if (!epochs) {
    throw config_error(value.where(), "window_size = \"epoch\" cannot go with by_epoch = false");
  } else {
    out.window = Window::kEpoch;
  }
}

CustomScalar parse_custom(const Value& table, bool epochs) {
  static constexpr std::array<std::string_view, 4> kKeys = {
      "data_src", "log_name", "method_name", "window_size"};
  check_keys(table, "custom_cfg of log_processor", kKeys);
  CustomScalar out;
  out.source = table.get<std::string>("data_src");
  out.name = table.get_or<std::string>("log_name", out.source);
  if (const Value* method = table.find("method_name")) {
    out.method = parse_method(*method);
  }
  if (const Value* window = table.find("window_size")) {
    parse_window(*window, epochs, out);
  }
  return out;
}

void parse_customs(const Value& list, LogOptions& out) {
  std::set<std::string> names;
  for (const Value& item : list.as_list()) {
    out.custom.push_back(parse_custom(item, out.by_epoch.value_or(true)));
    if (!names.insert(out.custom.back().name).second) {
      throw config_error(item.where(),
                         "two entries of custom_cfg would log under \"",
                         out.custom.back().name,
                         "\"; give one another log_name");
    }
  }
}

void check_values(const Value& table, const LogOptions& options) {
  if (options.window_size < 1) {
    throw config_error(
        table.at("window_size").where(), "window_size must be 1 or more, is ", options.window_size);
  }
  if (options.num_digits < 0 || options.num_digits > 17) {
    throw config_error(
        table.at("num_digits").where(), "num_digits must be 0 to 17, is ", options.num_digits);
  }
  try {
    (void)std::regex(options.mean_pattern);
  } catch (const std::regex_error& e) {
    throw config_error(
        table.at("mean_pattern").where(), "mean_pattern is no regular expression: ", e.what());
  }
}

}  // namespace

LogOptions parse_log_options(const Value* table) {
  static constexpr std::array<std::string_view, 7> kKeys = {"type",
                                                            "window_size",
                                                            "by_epoch",
                                                            "custom_cfg",
                                                            "num_digits",
                                                            "log_with_hierarchy",
                                                            "mean_pattern"};
  LogOptions out;
  if (table == nullptr) {
    return out;
  }
  check_keys(*table, "log_processor", kKeys);
  if (const Value* type = table->find("type");
      type != nullptr && type->as_text() != "LogProcessor") {
    throw config_error(type->where(),
                       R"(the log processor is the framework's own, "LogProcessor"; there is no ")",
                       type->as_text(),
                       "\"");
  }
  out.window_size = table->get_or("window_size", out.window_size);
  out.by_epoch = table->get_optional<bool>("by_epoch");
  out.num_digits = table->get_or("num_digits", out.num_digits);
  out.log_with_hierarchy = table->get_or("log_with_hierarchy", out.log_with_hierarchy);
  out.mean_pattern = table->get_or("mean_pattern", out.mean_pattern);
  if (const Value* custom = table->find("custom_cfg")) {
    parse_customs(*custom, out);
  }
  check_values(*table, out);
  return out;
}

}  // namespace strata::hooks
