// What "best" means for each metric.
#include <algorithm>
#include <cctype>
#include <cmath>

#include "hooks.hpp"

namespace strata::hook_basic {
namespace {

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

bool parse_rule(const std::string& rule, const Node& node) {
  if (rule != "greater" && rule != "less") {
    throw config_error(node.where(), R"(rule is "greater" or "less", not ")", rule, '"');
  }
  return rule == "greater";
}

}  // namespace

std::vector<std::string> texts_of(const Node& node) {
  std::vector<std::string> out;
  if (!node) {
    return out;
  }
  if (!node.is_list()) {
    return {node.as_text()};
  }
  for (uint64_t i = 0; i < node.size(); ++i) {
    out.push_back(node.entry(i).second.as_text());
  }
  node.mark_read();
  return out;
}

std::vector<std::string> BestRules::path_keys() const {
  std::vector<std::string> out;
  out.reserve(metrics_.size());
  for (const std::string& metric : metrics_) {
    out.push_back(path_key(metric));
  }
  return out;
}

BestRules::BestRules(const CheckpointConfig& config)
    : metrics_(texts_of(config.save_best)),
      greater_keys_(config.greater_keys),
      less_keys_(config.less_keys) {
  const std::vector<std::string> rules = texts_of(config.rule);
  if (metrics_.empty()) {
    return;
  }
  where_ = config.save_best.where();
  if (metrics_.size() > 1 && std::ranges::find(metrics_, "auto") != metrics_.end()) {
    throw config_error(where_,
                       "save_best = \"auto\" watches the first metric; it cannot stand in a list");
  }
  if (rules.size() > 1 && rules.size() != metrics_.size()) {
    throw config_error(config.rule.where(),
                       rules.size(),
                       " rules for ",
                       metrics_.size(),
                       " metrics of save_best; give one for all or one for each");
  }
  for (size_t i = 0; i < metrics_.size(); ++i) {
    if (!rules.empty()) {
      greater_[metrics_[i]] = parse_rule(rules[rules.size() == 1 ? 0 : i], config.rule);
    } else if (metrics_[i] != "auto") {
      greater_[metrics_[i]] = infer_greater(metrics_[i]);
    }
  }
}

bool BestRules::infer_greater(const std::string& metric) const {
  const std::string name = lower(metric);
  const auto is = [&](const std::string& key) { return lower(key) == name; };
  const auto in = [&](const std::string& key) {
    return name.find(lower(key)) != std::string::npos;
  };
  if (std::ranges::any_of(greater_keys_, is)) {
    return true;
  }
  if (std::ranges::any_of(less_keys_, is)) {
    return false;
  }
  if (std::ranges::any_of(greater_keys_, in)) {
    return true;
  }
  if (std::ranges::any_of(less_keys_, in)) {
    return false;
  }
  throw config_error(where_,
                     "save_best: nothing says whether more or less of \"",
                     metric,
                     R"(" is better; set rule = "greater" or "less")");
}

std::vector<strata_named_number> BestRules::pick(std::span<const strata_named_number> given) {
  if (metrics_.front() == "auto") {
    const std::string first(view(given.front().name));
    const auto rule = greater_.find("auto");
    greater_[first] = rule != greater_.end() ? rule->second : infer_greater(first);
    metrics_.front() = first;
  }
  std::vector<strata_named_number> out;
  for (const std::string& metric : metrics_) {
    const auto found = std::ranges::find_if(
        given, [&](const auto& number) { return view(number.name) == metric; });
    if (found == given.end()) {
      std::string known;
      for (const strata_named_number& number : given) {
        known.append(known.empty() ? "" : ", ").append(view(number.name));
      }
      throw Error(STRATA_E_NOT_FOUND,
                  text("save_best watches \"", metric, "\", validation gave: ", known),
                  where_);
    }
    out.push_back(*found);
  }
  return out;
}

bool BestRules::is_better(std::string_view metric, double score, std::optional<double> best) const {
  if (std::isnan(score)) {
    return false;
  }
  if (!best) {
    return true;
  }
  return greater_.find(metric)->second ? score > *best : score < *best;
}

}  // namespace strata::hook_basic
