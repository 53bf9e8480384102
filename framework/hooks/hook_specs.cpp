// The default hooks and how the configuration changes them.
#include "hooks/hook_specs.hpp"

#include <utility>

#include "strata/cpp/error.hpp"

#include "config/merge.hpp"
#include "config/nearest.hpp"
#include "hooks/priority.hpp"

namespace strata::hooks {
namespace {

using config::Value;

Value::Table defaults(bool by_epoch) {
  config::Origin origin;
  origin.note = "default";
  const std::array<std::pair<const char*, const char*>, 7> types = {
      {{"runtime_info", "RuntimeInfoHook"},
       {"timer", "IterTimerHook"},
       {"sampler_seed", "DistSamplerSeedHook"},
       {"check_invalid_loss", "CheckInvalidLossHook"},
       {"logger", "LoggerHook"},
       {"param_scheduler", "ParamSchedulerHook"},
       {"checkpoint", "CheckpointHook"}}};
  Value::Table out;
  for (const auto& [name, type] : types) {
    Value table(Value::Table{}, origin);
    table.set("type", Value(std::string(type), origin));
    out.push_back({name, std::move(table)});
  }
  if (by_epoch) {
    out.back().value.set("interval", Value(int64_t{1}, origin));
  }
  return out;
}

void refuse_unknown(const Value& hooks,
                    const std::string& name,
                    const Value& value,
                    std::string_view problem) {
  throw config_error(value.where(),
                     "default_hooks.",
                     name,
                     " ",
                     problem,
                     config::did_you_mean(name, hooks.keys()));
}

/// Applies one entry of `default_hooks` to the table of those known so far.
void apply(Value& hooks, const std::string& name, const Value& value) {
  Value* known = hooks.child(name);
  if (value.kind() == config::Kind::kBool && !value.as_bool()) {
    if (known == nullptr) {
      refuse_unknown(hooks, name, value, "= false switches off a hook that there is not");
    }
    hooks.erase(name);
    return;
  }
  if (!value.is_table()) {
    throw config_error(value.where(),
                       "default_hooks.",
                       name,
                       " must be a table, or false to switch it off, found ",
                       config::kind_name(value.kind()));
  }
  if (value.child("type") != nullptr) {
    hooks.set(name, value);
  } else if (known == nullptr) {
    refuse_unknown(
        hooks, name, value, "has no `type` and is no default hook that it could go over");
  } else {
    config::merge_into(*known, value, "default_hooks." + name);
    known->set_origin(value.origin());
  }
}

}  // namespace

HookSpec::HookSpec(const std::string& section, std::string name, Value table)
    : name_(std::move(name)) {
  const config::Origin origin = table.origin();
  Value middle(Value::Table{}, origin);
  middle.set(name_, std::move(table));
  root_ = Value(Value::Table{}, origin);
  root_.set(section, std::move(middle));
  seal(root_);
  table_ = std::as_const(root_).child(section)->child(name_);
  if (const Value* priority = table_->child("priority")) {
    priority_ = parse_priority(*priority);
  }
}

std::vector<HookSpec> hook_specs(const Value* default_hooks,
                                 const Value* custom_hooks,
                                 bool by_epoch) {
  Value hooks(defaults(by_epoch));
  if (default_hooks != nullptr) {
    for (const config::Entry& entry : default_hooks->as_table()) {
      apply(hooks, entry.key, entry.value);
    }
    default_hooks->mark_all_read();
  }
  std::vector<HookSpec> out;
  for (const config::Entry& entry : hooks.as_table()) {
    out.emplace_back("default_hooks", entry.key, entry.value);
  }
  if (custom_hooks == nullptr) {
    return out;
  }
  const Value::List& list = custom_hooks->as_list();
  for (size_t i = 0; i < list.size(); ++i) {
    if (!list[i].is_table()) {
      throw config_error(list[i].where(),
                         "custom_hooks is a list of tables with a `type`, found ",
                         config::kind_name(list[i].kind()));
    }
    out.emplace_back("custom_hooks", std::to_string(i), list[i]);
  }
  custom_hooks->mark_all_read();
  return out;
}

}  // namespace strata::hooks
