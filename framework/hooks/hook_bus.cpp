// Order, calls, the table for the log, states.
#include "hooks/hook_bus.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "border/sinks.hpp"
#include "hooks/priority.hpp"

namespace strata::hooks {
namespace {

constexpr std::array<std::string_view, STRATA_POINT_COUNT> kPointNames = {
    "before_run",        "after_load_checkpoint",
    "before_train",      "before_train_epoch",
    "before_train_iter", "after_train_iter",
    "after_train_epoch", "before_val",
    "before_val_epoch",  "before_val_iter",
    "after_val_iter",    "after_val_epoch",
    "after_val",         "before_save_checkpoint",
    "after_train",       "before_test",
    "before_test_epoch", "before_test_iter",
    "after_test_iter",   "after_test_epoch",
    "after_test",        "after_run"};

template <class F>
void named(const std::string& what, F&& f) {
  try {
    f();
  } catch (Error& e) {
    e.add_context(what);
    throw;
  }
}

}  // namespace

std::string_view point_name(int32_t point) {
  return point >= 0 && point < STRATA_POINT_COUNT ? kPointNames[static_cast<size_t>(point)]
                                                  : std::string_view();
}

strata_hook_ctx HookBus::empty_context() {
  strata_hook_ctx context{};
  context.h = STRATA_HDR(strata_hook_ctx);
  context.batch_idx = -1;
  return context;
}

void HookBus::add(border::Object<strata_hook_api> hook, std::optional<int32_t> priority) {
  if (!hook.has(&strata_hook_api::describe) || !hook.has(&strata_hook_api::on)) {
    throw Error(STRATA_E_ARGUMENT, text("the hook ", hook.type(), " lacks describe() or on()"));
  }
  strata_hook_desc desc{};
  desc.h = STRATA_HDR(strata_hook_desc);
  named("while the hook " + hook.type() + " described itself",
        [&] { hook.call(&strata_hook_api::describe, &desc); });
  if (desc.priority < 0 || desc.priority > kMaxPriority) {
    throw Error(STRATA_E_ARGUMENT,
                text("the hook ",
                     hook.type(),
                     " gives itself priority ",
                     desc.priority,
                     "; priorities are 0 to ",
                     kMaxPriority));
  }
  const auto twins =
      std::ranges::count_if(entries_, [&](const Entry& e) { return e.hook.type() == hook.type(); });
  std::string key = twins == 0 ? hook.type() : fmt::format("{}#{}", hook.type(), twins + 1);
  const int32_t order = priority.value_or(desc.priority);
  const auto place = std::ranges::upper_bound(entries_, order, {}, &Entry::priority);
  entries_.insert(place, Entry{std::move(hook), desc.points, order, std::move(key)});
}

void HookBus::fire(int32_t point, const strata_hook_ctx& context) const {
  for (const Entry& entry : entries_) {
    if ((entry.points >> point & 1) == 0) {
      continue;
    }
    const strata_rc rc = entry.hook.api().on(entry.hook.self(), point, &context);
    if (rc != STRATA_OK) {
      named(fmt::format("while the hook {} ran at {}", entry.hook.type(), point_name(point)),
            [rc] { border::check(rc); });
    }
  }
}

std::string HookBus::table() const {
  std::string out;
  for (int32_t point = 0; point < STRATA_POINT_COUNT; ++point) {
    std::string lines;
    for (const Entry& entry : entries_) {
      if ((entry.points >> point & 1) != 0) {
        lines += fmt::format("({:<12}) {:<35}\n", priority_name(entry.priority), entry.hook.type());
      }
    }
    if (!lines.empty()) {
      out += fmt::format(
          "{}{}:\n{} -------------------- ", out.empty() ? "" : "\n", point_name(point), lines);
    }
  }
  return out;
}

std::string HookBus::weights_state() const {
  for (const Entry& entry : entries_) {
    const auto& base = entry.hook.api().base;
    const auto* const weights = static_cast<const strata_hook_weights_api*>(
        base.get_extension == nullptr
            ? nullptr
            : base.get_extension(entry.hook.self(),
                                 border::view(std::string_view(STRATA_EXT_HOOK_WEIGHTS))));
    if (weights != nullptr) {
      if (const auto state = border::view(weights->state(entry.hook.self())); !state.empty()) {
        return std::string(state);
      }
    }
  }
  return {};
}

std::string HookBus::save() const {
  auto out = nlohmann::ordered_json::object();
  for (const Entry& entry : entries_) {
    const border::TextSink sink;
    named("while the hook " + entry.hook.type() + " saved its state",
          [&] { entry.hook.call(&strata_hook_api::save, sink.c()); });
    if (sink.str().empty()) {
      continue;
    }
    auto state = nlohmann::ordered_json::parse(sink.str(), nullptr, false);
    if (state.is_discarded()) {
      throw Error(STRATA_E_ARGUMENT,
                  text("the state that the hook ", entry.hook.type(), " saves is not JSON"));
    }
    out[entry.state_key] = std::move(state);
  }
  return out.dump();
}

std::vector<std::string> HookBus::load(std::string_view json) const {
  auto states = nlohmann::ordered_json::parse(json, nullptr, false);
  if (!states.is_object()) {
    throw Error(STRATA_E_FAILED, "the hooks' part of a checkpoint is damaged: not a JSON object");
  }
  for (const Entry& entry : entries_) {
    const auto found = states.find(entry.state_key);
    if (found == states.end()) {
      continue;
    }
    const std::string state = found->dump();
    named("while the hook " + entry.hook.type() + " loaded its state",
          [&] { entry.hook.call(&strata_hook_api::load, border::view(state)); });
    states.erase(found);
  }
  std::vector<std::string> left;
  for (const auto& [key, state] : states.items()) {
    left.push_back(key);
  }
  return left;
}

}  // namespace strata::hooks
