// Walking a configuration along the table of keys.
#include "read.hpp"

#include <algorithm>
#include <tuple>

#include "json_file.hpp"
#include "keys.hpp"

namespace strata::deepspeed {
namespace {

class Reader {
 public:
  Reader(DeepSpeedConfig& config, bool from_file) : config_(config), from_file_(from_file) {}

  void walk(const char* section, const Value& table) {
    for (const Value::Entry& entry : table.as_table()) {
      if (!entry.value.is_null()) {
        take(section, table, entry);
      }
    }
  }

 private:
  void take(const char* section, const Value& table, const Value::Entry& entry) {
    const Key* key = find_key(section, entry.key);
    if (key == nullptr) {
      return unknown(section, entry);
    }
    if (key->fate == Fate::kRenamed || key->fate == Fate::kAlias) {
      key = follow(*key, table, entry.value);
    }
    if (entry.value.is_text("auto") && key->kind != Kind::kAny) {
      return left_to_default(*key, entry.value);
    }
    apply(*key, entry.value);
  }

  void apply(const Key& key, const Value& value) {
    if (key.fate == Fate::kSection) {
      return enter(key, value);
    }
    check_value(key, value);
    switch (key.fate) {
      case Fate::kHonoured:
        key.set(config_, value);
        return;
      case Fate::kIgnored:
        if (!is_default(key, value)) {
          warn(value, value.path, " has no effect: ", key.note);
        }
        return;
      case Fate::kRefused:
        if (!is_default(key, value)) {
          const std::string given = value.is_table() ? "" : " = " + value.shown();
          throw config_error(value.where, value.path, given, " is not supported: ", key.note);
        }
        return;
      default:
        return;
    }
  }

  void enter(const Key& key, const Value& value) {
    const std::string_view name = key.name;
    if (name == "zero_optimization" && value.is_bool()) {  // of DeepSpeed's first releases
      config_.zero.stage = value.as_bool() ? 1 : 0;
      return warn(value,
                  value.path,
                  " = ",
                  value.shown(),
                  " is an old form of {\"stage\": ",
                  config_.zero.stage,
                  "}");
    }
    const std::string path = joined(key.section, name);
    walk(path.c_str(), value);
  }

  const Key* follow(const Key& old, const Value& table, const Value& value) {
    const Key* key = find_key(old.section, old.target);
    if (table.find(old.target) != nullptr) {
      throw config_error(value.where,
                         value.path,
                         " and ",
                         old.target,
                         " are two names of one key; keep the latter");
    }
    if (old.fate == Fate::kRenamed) {
      warn(value, value.path, " is an old name; write ", old.target);
    }
    return key;
  }

  void left_to_default(const Key& key, const Value& value) {
    if (key.fate == Fate::kHonoured) {
      const std::string fallback = key.fallback;
      warn(value,
           value.path,
           " = \"auto\": ",
           fallback.empty() ? "as if it were left out" : fallback + " is used");
    }
  }

  void unknown(const char* section, const Value::Entry& entry) {
    const auto close = nearest_key(section, entry.key);
    const std::string hint = close ? text("; did you mean \"", *close, "\"?") : "";
    const std::string said = text("unknown key \"", entry.value.path, "\"", hint);
    if (std::string_view(section).empty() && from_file_) {
      return warn(entry.value, said, close ? "" : "; it is left alone");
    }
    throw config_error(entry.value.where, said);
  }

  template <class... Parts>
  void warn(const Value& value, const Parts&... parts) {
    config_.warnings.push_back(text(value.where, ": ", parts...));
  }

  DeepSpeedConfig& config_;
  bool from_file_;
};

std::string first_place(const Value& tree) {
  for (const char* key :
       {"train_batch_size", "train_micro_batch_size_per_gpu", "gradient_accumulation_steps"}) {
    if (const Value* value = tree.find(key)) {
      return value->where;
    }
  }
  return tree.where;
}

}  // namespace

Loaded load(Value tree, bool from_file) {
  Loaded out;
  out.tree = std::move(tree);
  Reader(out.config, from_file).walk("", out.tree);
  out.config.batch_where = first_place(out.tree);
  out.config.gradient_allreduce_op = lower(out.config.gradient_allreduce_op);
  out.config.communication_data_type = lower(out.config.communication_data_type);
  out.config.grad_accum_dtype = lower(out.config.grad_accum_dtype);
  out.config.param_dtype = lower(out.config.param_dtype);
  out.config.engine_defaults = from_file;
  check_together(out.config, out.tree);
  return out;
}

Loaded load(const Node& table) {
  Value mine = from_node(table);
  const Value* named = mine.find("config");
  if (named == nullptr) {
    return load(std::move(mine), false);
  }
  Value base = named->is_text() ? read_json_file(named->as_text(), named->where) : *named;
  std::ignore = base.as_table();
  const std::string source = named->is_text() ? base.where : "";
  std::vector<std::string> replaced;
  for (const Value::Entry& entry : mine.as_table()) {
    if (entry.key == "config" || entry.value.is_null()) {
      continue;
    }
    if (const Value* before = base.find(entry.key)) {
      replaced.push_back(
          text(entry.value.where, ": ", entry.key, " replaces the one at ", before->where));
    }
    base.set(entry.key, entry.value);
  }
  Loaded out = load(std::move(base), true);
  out.config.source = source;
  out.config.warnings.insert(out.config.warnings.begin(), replaced.begin(), replaced.end());
  return out;
}

}  // namespace strata::deepspeed
