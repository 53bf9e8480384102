// From DeepSpeed's sections to the run's.
#include "contribute.hpp"

#include <algorithm>
#include <array>
#include <tuple>

#include "strata/cpp/json.hpp"

namespace strata::deepspeed {
namespace {

Value make(Value::Data data, const Value& like) {
  return {std::move(data), like.where, like.path};
}

const Value& type_of(const Value& section) {
  const Value* type = section.find("type");
  if (type == nullptr) {
    throw config_error(section.where, section.path, " has no type");
  }
  std::ignore = type->as_text();
  return *type;
}

/// A copy of the section's params, or an empty table.
Value params_of(const Value& section) {
  const Value* params = section.find("params");
  if (params == nullptr) {
    return make(Value::Table{}, section);
  }
  std::ignore = params->as_table();
  return *params;
}

bool is_auto(const Value::Entry& entry) {
  return entry.value.is_text("auto");
}

/// Takes away what is "auto" or null.
void drop_autos(Value& params, std::vector<std::string>& notes) {
  auto& table = std::get<Value::Table>(params.data);
  for (const Value::Entry& entry : table) {
    if (is_auto(entry)) {
      notes.push_back(
          text(entry.value.where, ": ", entry.value.path, " = \"auto\": the default is used"));
    }
  }
  std::erase_if(table,
                [](const Value::Entry& entry) { return is_auto(entry) || entry.value.is_null(); });
}

/// A flag that only steers which type is made.
bool take_flag(Value& params, const char* key, bool fallback) {
  const Value* value = params.find(key);
  const bool out = value == nullptr || value->is_text("auto") ? fallback : value->as_bool();
  params.erase(key);
  return out;
}

void add_default(Value& params, const char* key, double value) {
  if (params.find(key) == nullptr) {
    params.set(key, make(value, params));
  }
}

std::string typed(const std::string& type, const Value& params) {
  Value out = make(Value::Table{}, params);
  out.set("type", make(type, params));
  for (const Value::Entry& entry : params.as_table()) {
    out.set(entry.key, entry.value);
  }
  return out.to_toml();
}

// --- optimizer

void refuse_misplaced(const Value& params) {
  if (const Value* norm = params.find("max_grad_norm")) {
    throw config_error(norm->where,
                       norm->path,
                       " is not an optimizer's: write gradient_clipping = ",
                       norm->shown());
  }
}

/// Arguments of Adam that choose an implementation in DeepSpeed are dropped. Returns the type's name, which is another for
/// uncorrected moments.
std::string choose_adam(const std::string& name, Value& params) {
  take_flag(params, "torch_adam", false);
  take_flag(params, "fused", false);
  take_flag(params, "foreach", false);
  if (take_flag(params, "bias_correction", true)) {
    return name;
  }
  params.set("bias_correction", make(false, params));
  params.set("adamw_mode", make(name == "AdamW", params));
  return "DeepSpeedCPUAdam";
}

/// AdamW for "adam" unless adam_w_mode is false, as in DeepSpeed; a name that is not known here is the host's to refuse.
std::string optimizer_name(const Value& type, bool adam_w_mode) {
  const std::string name = lower(type.as_text());
  constexpr std::array<const char*, 7> kCompressed = {
      "onebitadam", "zerooneadam", "onebitlamb", "muadam", "muadamw", "musgd", "muon"};
  if (std::ranges::find(kCompressed, name) != kCompressed.end() || name == "lamb") {
    throw config_error(type.where,
                       type.path,
                       " = ",
                       type.shown(),
                       " is not implemented; Adam, AdamW, Adagrad, Lion and SGD are");
  }
  constexpr std::array<std::array<const char*, 2>, 5> kCanonical = {{{"adamw", "AdamW"},
                                                                     {"sgd", "SGD"},
                                                                     {"adagrad", "Adagrad"},
                                                                     {"lion", "DeepSpeedCPULion"},
                                                                     {"rmsprop", "RMSprop"}}};
  if (name == "adam") {
    return adam_w_mode ? "AdamW" : "Adam";
  }
  for (const auto& [plain, canonical] : kCanonical) {
    if (name == plain) {
      return canonical;
    }
  }
  return type.as_text();
}

Contribution optimizer_of(const Value& section, std::vector<std::string>& notes) {
  const Value& type = type_of(section);
  Value params = params_of(section);
  refuse_misplaced(params);
  const auto& given = params.as_table();
  const bool all_auto = !given.empty() && std::ranges::all_of(given, is_auto);
  const bool adam_w_mode = take_flag(params, "adam_w_mode", true);
  std::string name = optimizer_name(type, adam_w_mode);
  if (name == "Adam" || name == "AdamW") {
    name = choose_adam(name, params);
  }
  drop_autos(params, notes);
  add_default(params, "lr", name == "Adagrad" ? 1e-2 : 1e-3);  // torch's
  if (name == "AdamW") {
    add_default(params, "weight_decay", 0);  // DeepSpeed's; torch has 0.01
  }
  return {"optim_wrapper.optimizer", typed(name, params), section.where, all_auto};
}

// --- scheduler

constexpr std::array<const char*, 5> kSchedulers = {
    "WarmupLR", "WarmupDecayLR", "WarmupCosineLR", "OneCycle", "LRRangeTest"};

/// "auto" where the scheduler itself knows what is meant: the optimizer's learning rate, the length of the run.
bool resolves_auto(const std::string& key) {
  return key == "warmup_max_lr" || key == "total_num_steps";
}

Contribution scheduler_of(const Value& section, std::vector<std::string>& notes) {
  const Value& type = type_of(section);
  const auto known = std::ranges::find_if(
      kSchedulers, [&](const char* name) { return lower(name) == lower(type.as_text()); });
  if (known == kSchedulers.end()) {
    throw config_error(type.where,
                       type.path,
                       " = ",
                       type.shown(),
                       " is not one of DeepSpeed's (WarmupLR, "
                       "WarmupDecayLR, WarmupCosineLR, OneCycle, LRRangeTest); write the run's own "
                       "[param_scheduler]");
  }
  Value params = params_of(section);
  std::vector<Value::Entry> kept;
  for (const Value::Entry& entry : params.as_table()) {
    if (is_auto(entry) && resolves_auto(entry.key)) {
      kept.push_back(entry);
    }
  }
  for (const Value::Entry& entry : kept) {
    params.erase(entry.key);
  }
  drop_autos(params, notes);
  for (const Value::Entry& entry : kept) {
    params.set(entry.key, entry.value);
  }
  return {"param_scheduler", typed(*known, params), section.where};
}

// --- loss scale, clipping, accumulation

std::string where_of(const Value& tree, const char* key) {
  const Value* value = tree.find(key);
  return value == nullptr ? tree.where : value->where;
}

std::string fp16_table(const Fp16& f, int64_t stage) {
  // Stage 0 of DeepSpeed lowers the scale at once and never gives up.
  const int64_t hysteresis = stage == 0 ? 1 : f.hysteresis;
  const int64_t warnings = stage == 0 ? -1 : f.min_loss_scale_warnings;
  return text("{loss_scale = ",
              json_float(f.loss_scale),
              ", initial_scale_power = ",
              f.initial_scale_power,
              ", loss_scale_window = ",
              f.loss_scale_window,
              ", hysteresis = ",
              hysteresis,
              ", consecutive_hysteresis = ",
              f.consecutive_hysteresis ? "true" : "false",
              ", min_loss_scale = ",
              f.min_loss_scale,
              ", min_loss_scale_warnings = ",
              warnings,
              "}");
}

/// Another wrapper refuses the table as a key it does not know; the place then says which one to write.
std::string place_for_wrapper(const Value& tree, const char* section) {
  return where_of(tree, section) + " (needs optim_wrapper.type = \"DeepSpeedOptimWrapper\")";
}

void add_precision(const Loaded& loaded, std::vector<Contribution>& out) {
  const DeepSpeedConfig& c = loaded.config;
  if (c.fp16.enabled) {
    out.push_back({"optim_wrapper.fp16",
                   fp16_table(c.fp16, c.zero.stage),
                   place_for_wrapper(loaded.tree, "fp16")});
  }
  if (c.bf16.enabled) {
    out.push_back(
        {"optim_wrapper.bf16",
         text("{check_grad_overflow = ", c.bf16.check_grad_overflow ? "true" : "false", "}"),
         place_for_wrapper(loaded.tree, "bf16")});
  }
}

void add_clipping(const Loaded& loaded, std::vector<Contribution>& out) {
  const std::optional<double>& given = loaded.config.gradient_clipping;
  const auto table = [](double norm) { return text("{max_norm = ", json_float(norm), "}"); };
  if (given && *given > 0) {
    out.push_back(
        {"optim_wrapper.clip_grad", table(*given), where_of(loaded.tree, "gradient_clipping")});
  } else if (!given && loaded.config.engine_defaults) {
    out.push_back({"optim_wrapper.clip_grad", table(1), loaded.tree.where, /*yields=*/true});
  }
}

}  // namespace

std::vector<Contribution> contributions(const Loaded& loaded,
                                        const BatchFacts& facts,
                                        std::vector<std::string>& notes) {
  std::vector<Contribution> out;
  if (const Value* section = loaded.tree.find("optimizer")) {
    out.push_back(optimizer_of(*section, notes));
  }
  if (const Value* section = loaded.tree.find("scheduler")) {
    out.push_back(scheduler_of(*section, notes));
  }
  add_clipping(loaded, out);
  add_precision(loaded, out);
  const DeepSpeedConfig& c = loaded.config;
  if (const auto count = accumulation(c.batch, facts, c.batch_where)) {
    out.push_back({"optim_wrapper.accumulative_counts", std::to_string(*count), c.batch_where});
  }
  return out;
}

}  // namespace strata::deepspeed
