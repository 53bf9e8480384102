// Reading model_wrapper and what lies in it.
#include "config.hpp"

#include <algorithm>
#include <array>
#include <tuple>
#include <utility>

namespace strata::fsdp {
namespace {

template <class E, size_t N>
E choice(const Node& node, const char* key, const std::array<std::pair<const char*, E>, N>& known) {
  const std::string given = node.as_text();
  std::string names;
  for (const auto& [name, value] : known) {
    if (given == name) {
      return value;
    }
    names += (names.empty() ? "" : ", ") + std::string(name);
  }
  throw config_error(node.where(), key, " = \"", given, "\" is unknown; it is one of ", names);
}

std::vector<std::string> texts(const Node& node) {
  if (node.is_text()) {
    return {node.as_text()};
  }
  std::vector<std::string> out;
  out.reserve(node.size());
  for (uint64_t i = 0; i < node.size(); ++i) {
    out.push_back(node.entry(i).second.as_text());
  }
  return out;
}

void read_texts(const Node& table, const char* key, std::vector<std::string>& out) {
  if (const Node node = table.find(key)) {
    out = texts(node);
  }
}

void read_bool(const Node& table, const char* key, bool& out) {
  if (const Node node = table.find(key)) {
    out = node.as_bool();
  }
}

std::optional<int32_t> read_dtype(const Node& table, const char* key) {
  const Node node = table.find(key);
  if (!node) {
    return std::nullopt;
  }
  constexpr std::array<std::pair<const char*, int32_t>, 8> kTypes = {
      {{"float32", STRATA_F32},
       {"bfloat16", STRATA_BF16},
       {"float16", STRATA_F16},
       {"float64", STRATA_F64},
       {"torch.float32", STRATA_F32},
       {"torch.bfloat16", STRATA_BF16},
       {"torch.float16", STRATA_F16},
       {"torch.float64", STRATA_F64}}};
  return choice(node, key, kTypes);
}

int64_t read_min_num_params(const Node& table) {
  const Node node = table.find("min_num_params");
  if (!node) {
    return WrapPolicy{}.min_num_params;
  }
  const int64_t value = node.as_int();
  if (value < 1) {
    throw config_error(node.where(), "min_num_params = ", value, " must be at least 1");
  }
  return value;
}

WrapPolicy read_policy(const Node& node) {
  using Kind = WrapPolicy::Kind;
  constexpr std::array<std::pair<const char*, Kind>, 4> kKinds = {
      {{"size_based_auto_wrap_policy", Kind::kSize},
       {"transformer_auto_wrap_policy", Kind::kModules},
       {"module_wrap_policy", Kind::kModules},
       {"always_wrap_policy", Kind::kAlways}}};
  WrapPolicy policy;
  if (!node) {
    return policy;
  }
  if (node.is_text()) {
    policy.kind = choice(node, "auto_wrap_policy", kKinds);
  } else {
    const Node type = node.find("type");
    if (!type) {
      throw config_error(node.where(),
                         "auto_wrap_policy needs a type, such as \"size_based_auto_wrap_policy\"");
    }
    policy.kind = choice(type, "auto_wrap_policy.type", kKinds);
  }
  if (policy.kind == Kind::kSize && node.is_table()) {
    policy.min_num_params = read_min_num_params(node);
    read_texts(node, "force_leaf_modules", policy.force_leaf);
    read_texts(node, "exclude_wrap_modules", policy.excluded);
  }
  if (policy.kind == Kind::kModules) {
    if (node.is_table()) {
      read_texts(node, "transformer_layer_cls", policy.classes);
      read_texts(node, "module_classes", policy.classes);
      read_texts(node, "unit_names", policy.names);
    }
    if (policy.classes.empty() && policy.names.empty()) {
      throw config_error(node.where(),
                         "auto_wrap_policy by modules needs module_classes = [\"Type\", …] or "
                         "unit_names = [\"layer4\", \"h.*\"]");
    }
  }
  return policy;
}

MixedPrecision read_precision(const Node& node) {
  MixedPrecision out;
  if (!node) {
    return out;
  }
  out.param_dtype = read_dtype(node, "param_dtype");
  out.reduce_dtype = read_dtype(node, "reduce_dtype");
  out.buffer_dtype = read_dtype(node, "buffer_dtype");
  read_bool(node, "keep_low_precision_grads", out.keep_low_precision_grads);
  read_bool(node, "cast_forward_inputs", out.cast_forward_inputs);
  read_bool(node, "cast_root_forward_inputs", out.cast_root_forward_inputs);
  read_texts(node, "module_classes_to_ignore", out.modules_to_ignore);
  return out;
}

void check_type(const Node& table) {
  const Node type = table.find("type");
  if (type && type.as_text() != "MMFullyShardedDataParallel" &&
      type.as_text() != "FullyShardedDataParallel") {
    throw config_error(type.where(),
                       "model_wrapper.type \"",
                       type.as_text(),
                       "\" is unknown to FSDPStrategy; it has MMFullyShardedDataParallel");
  }
}

void refuse(const Node& table, const char* key, const char* why) {
  if (const Node node = table.find(key)) {
    throw config_error(node.where(), "model_wrapper.", key, ": ", why);
  }
}

// What torch has and what means nothing here: read, so that nobody has to take it out.
void accept_without_effect(const Node& table) {
  for (const char* key :
       {"use_orig_params", "limit_all_gathers", "sync_module_states", "cpu_offload"}) {
    if (const Node node = table.find(key)) {
      std::ignore = node.as_bool();
    }
  }
}

std::vector<int64_t> read_mesh(const Node& node) {
  std::vector<int64_t> out;
  out.reserve(node.size());
  for (uint64_t i = 0; i < node.size(); ++i) {
    out.push_back(node.entry(i).second.as_int());
  }
  if (!node.is_list() || out.empty() || out.size() > 2 ||
      std::ranges::any_of(out, [](int64_t n) { return n < 1; })) {
    throw config_error(node.where(),
                       "device_mesh is [replicas, shards] or [shards], of at least 1 each");
  }
  return out;
}

}  // namespace

bool matches(const std::vector<std::string>& patterns, std::string_view name) {
  return std::ranges::any_of(patterns, [&](const std::string& pattern) {
    const bool open = pattern.ends_with('*');
    return open ? name.starts_with(std::string_view(pattern).substr(0, pattern.size() - 1))
                : name == pattern;
  });
}

WrapperConfig read_wrapper(const Node& table) {
  WrapperConfig out;
  if (!table) {
    return out;
  }
  check_type(table);
  refuse(table, "process_group", "groups follow from device_mesh = [replicas, shards]");
  refuse(table, "param_init_fn", "initial values are the model's own, a function of (seed, name)");
  refuse(
      table, "ignored_modules", "name parameters in ignored_parameters, for example [\"head.*\"]");
  accept_without_effect(table);
  constexpr std::array<std::pair<const char*, Sharding>, 5> kSharding = {
      {{"FULL_SHARD", Sharding::kFull},
       {"SHARD_GRAD_OP", Sharding::kGradOp},
       {"NO_SHARD", Sharding::kNone},
       {"HYBRID_SHARD", Sharding::kHybrid},
       {"_HYBRID_SHARD_ZERO2", Sharding::kHybridGradOp}}};
  constexpr std::array<std::pair<const char*, BackwardPrefetch>, 3> kPrefetch = {
      {{"BACKWARD_PRE", BackwardPrefetch::kPre},
       {"BACKWARD_POST", BackwardPrefetch::kPost},
       {"none", BackwardPrefetch::kOff}}};
  if (const Node node = table.find("sharding_strategy")) {
    out.sharding = choice(node, "sharding_strategy", kSharding);
  }
  if (const Node node = table.find("backward_prefetch")) {
    out.backward_prefetch = choice(node, "backward_prefetch", kPrefetch);
  }
  if (const Node node = table.find("device_mesh")) {
    out.device_mesh = read_mesh(node);
    out.mesh_where = node.where();
  }
  out.policy = read_policy(table.find("auto_wrap_policy"));
  out.precision = read_precision(table.find("mixed_precision"));
  read_bool(table, "forward_prefetch", out.forward_prefetch);
  read_bool(table, "no_sync", out.no_sync);
  read_texts(table, "ignored_parameters", out.ignored);
  return out;
}

void check_state_dict_cfg(const Node& node) {
  if (!node) {
    return;
  }
  const Node type = node.is_table() ? node.find("state_dict_type") : node;
  constexpr std::array<std::pair<const char*, int>, 4> kKinds = {
      {{"full", 0}, {"local", 1}, {"FULL_STATE_DICT", 0}, {"LOCAL_STATE_DICT", 1}}};
  if (!type) {
    throw config_error(node.where(),
                       "state_dict_cfg is \"full\", \"local\" or {state_dict_type = …}");
  }
  choice(type, "state_dict_cfg", kKinds);
  if (node.is_table()) {
    for (const char* key : {"state_dict_config", "optim_state_dict_config"}) {
      if (const Node part = node.find(key)) {
        part.mark_read();
      }
    }
  }
}

}  // namespace strata::fsdp
