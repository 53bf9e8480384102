// The hub's keys, what a checkpoint keeps of them, and its C table.
#include "hooks/message_hub.hpp"

#include <charconv>
#include <cmath>

#include <nlohmann/json.hpp>

#include "border/errors.hpp"
#include "border/runtime.hpp"

namespace strata::hooks {

void MessageHub::settle(std::string_view key, bool resumed) {
  const auto [known, added] = resumed_.emplace(key, resumed);
  if (!added && known->second != resumed) {
    throw Error(STRATA_E_ARGUMENT,
                strata::text("message hub: \"",
                             key,
                             "\" was ",
                             known->second ? "" : "not ",
                             "to be resumed when it came first; that cannot change"));
  }
}

void MessageHub::update_scalar(std::string_view key, double value, int64_t count, bool resumed) {
  if (count < 1) {
    throw Error(
        STRATA_E_ARGUMENT,
        strata::text("message hub: \"", key, "\" with a count of ", count, ", want 1 or more"));
  }
  settle(key, resumed);
  auto found = by_key_.find(key);
  if (found == by_key_.end()) {
    scalars_.emplace_back(std::string(key), History());
    found = by_key_.emplace(std::string(key), &scalars_.back().second).first;
  }
  found->second->update(value, count);
}

const History* MessageHub::scalar(std::string_view key) const {
  const auto found = by_key_.find(key);
  return found == by_key_.end() ? nullptr : found->second;
}

void MessageHub::set(std::string_view key, Fact value, bool resumed) {
  settle(key, resumed);
  facts_.insert_or_assign(std::string(key), std::move(value));
}

const std::string* MessageHub::text(std::string_view key) const {
  const auto found = facts_.find(key);
  return found == facts_.end() ? nullptr : std::get_if<std::string>(&found->second);
}

std::optional<double> MessageHub::number(std::string_view key) const {
  const auto found = facts_.find(key);
  const auto* value = found == facts_.end() ? nullptr : std::get_if<double>(&found->second);
  return value == nullptr ? std::nullopt : std::optional(*value);
}

std::string MessageHub::save() const {
  nlohmann::ordered_json out = {{"texts", nlohmann::ordered_json::object()},
                                {"numbers", nlohmann::ordered_json::object()}};
  for (const auto& [key, fact] : facts_) {
    if (!resumed_.find(key)->second) {
      continue;
    }
    if (const auto* written = std::get_if<std::string>(&fact)) {
      out["texts"][key] = *written;
    } else if (const double number = std::get<double>(fact); std::isfinite(number)) {
      out["numbers"][key] = number;
    } else {
      out["numbers"][key] = std::isnan(number) ? "nan"
                            : number > 0       ? "inf"
                                               : "-inf";  // JSON has none of them
    }
  }
  return out.dump();
}

void MessageHub::load(std::string_view json) {
  try {
    const auto saved = nlohmann::json::parse(json);
    for (const auto& [key, value] : saved.at("texts").items()) {
      set(key, value.get<std::string>());
    }
    for (const auto& [key, value] : saved.at("numbers").items()) {
      set(key, value.is_string() ? std::stod(value.get<std::string>()) : value.get<double>());
    }
  } catch (const Error&) {
    throw;
  } catch (const std::exception& e) {
    throw Error(STRATA_E_FAILED,
                strata::text("the message hub's part of a checkpoint is damaged: ", e.what()));
  }
}

namespace {

using border::guarded;
using border::view;

Error not_found(strata_str key) {
  return {STRATA_E_NOT_FOUND, strata::text("the message hub has no \"", view(key), "\"")};
}

strata_rc update_scalar(
    strata_runtime* rt, strata_str key, double value, int64_t count, int32_t resumed) {
  return guarded([&] { rt->hub->update_scalar(view(key), value, count, resumed != 0); });
}

strata_rc scalar(strata_runtime* rt, strata_str key, double* current) {
  return guarded([&] {
    const History* history = rt->hub->scalar(view(key));
    if (history == nullptr) {
      throw not_found(key);
    }
    *current = history->current();
  });
}

strata_rc set_text(strata_runtime* rt, strata_str key, strata_str value, int32_t resumed) {
  return guarded([&] { rt->hub->set(view(key), std::string(view(value)), resumed != 0); });
}

strata_rc text_of(strata_runtime* rt, strata_str key, strata_str* out) {
  return guarded([&] {
    const std::string* value = rt->hub->text(view(key));
    if (value == nullptr) {
      throw not_found(key);
    }
    *out = view(*value);
  });
}

strata_rc set_number(strata_runtime* rt, strata_str key, double value, int32_t resumed) {
  return guarded([&] { rt->hub->set(view(key), value, resumed != 0); });
}

strata_rc number(strata_runtime* rt, strata_str key, double* out) {
  return guarded([&] {
    const auto value = rt->hub->number(view(key));
    if (!value) {
      throw not_found(key);
    }
    *out = *value;
  });
}

}  // namespace

const strata_hub_api* hub_service() {
  static const strata_hub_api api = {STRATA_HDR(strata_hub_api),
                                     &update_scalar,
                                     &scalar,
                                     &set_text,
                                     &text_of,
                                     &set_number,
                                     &number};
  return &api;
}

}  // namespace strata::hooks
