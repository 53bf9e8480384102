// Reading keys.
#include "table.hpp"

#include <algorithm>
#include <cmath>

#include "strata/kit/nearest.hpp"

namespace strata::colossalai {
namespace {

std::string listed(std::initializer_list<std::string_view> words) {
  std::string out;
  for (const std::string_view word : words) {
    out += text(out.empty() ? "\"" : ", \"", word, "\"");
  }
  return out;
}

std::string shown(const Table::Range& range) {
  if (std::isinf(range.high)) {
    return text(range.with_low ? "at least " : "more than ", range.low);
  }
  return text(
      "in ", range.with_low ? "[" : "(", range.low, ", ", range.high, range.with_high ? "]" : ")");
}

}  // namespace

Node Table::find(std::string_view key) {
  if (std::ranges::find(known_, key) == known_.end()) {
    known_.push_back(key);
  }
  return node_.is_table() ? node_.find(key) : Node();
}

void Table::read(std::string_view key, bool& out) {
  if (const Node value = find(key)) {
    out = value.as_bool();
  }
}

void Table::read(std::string_view key, int64_t& out, int64_t least, int64_t most) {
  const Node value = find(key);
  if (!value) {
    return;
  }
  out = value.as_int();
  if (out < least || out > most) {
    throw config_error(value.where(),
                       full(key),
                       " = ",
                       out,
                       most == std::numeric_limits<int64_t>::max()
                           ? text(" must be at least ", least)
                           : text(" must be in [", least, ", ", most, "]"));
  }
}

void Table::read(std::string_view key, double& out, const Range& range) {
  const Node value = find(key);
  if (!value) {
    return;
  }
  out = value.as_float();
  const bool above = range.with_low ? out >= range.low : out > range.low;
  const bool below = range.with_high ? out <= range.high : out < range.high;
  if (!above || !below || !std::isfinite(out)) {
    throw config_error(value.where(), full(key), " = ", out, " must be ", shown(range));
  }
}

std::string Table::choice(std::string_view key,
                          std::string_view fallback,
                          std::initializer_list<std::string_view> words) {
  const Node value = find(key);
  if (!value) {
    return std::string(fallback);
  }
  const std::string given = value.as_text();
  if (std::ranges::find(words, std::string_view(given)) == words.end()) {
    throw config_error(
        value.where(), full(key), " = \"", given, "\" is unknown; it is one of ", listed(words));
  }
  return given;
}

void Table::without_effect(std::string_view key, std::string_view why) {
  if (const Node value = find(key)) {
    value.mark_read();
    note(key, text("has no effect: ", why));
  }
}

void Table::refuse_true(std::string_view key, std::string_view why) {
  const Node value = find(key);
  if (value && value.as_bool()) {
    throw config_error(value.where(), full(key), " = true is not supported: ", why);
  }
}

void Table::refuse(std::string_view key, std::string_view why) {
  if (const Node value = find(key)) {
    throw config_error(value.where(), full(key), " is not supported: ", why);
  }
}

void Table::note(std::string_view key, std::string_view said) {
  if (const Node value = find(key)) {
    notes_.push_back(text(value.where(), ": ", full(key), ' ', said));
  }
}

void Table::finish() const {
  for (uint64_t i = 0; node_.is_table() && i < node_.size(); ++i) {
    const auto [key, value] = node_.entry(i);
    if (std::ranges::find(known_, std::string_view(key)) == known_.end()) {
      throw config_error(value.where(), "unknown key ", full(key), kit::did_you_mean(key, known_));
    }
  }
}

}  // namespace strata::colossalai
