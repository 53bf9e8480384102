// Merging of tables.
#include "config/merge.hpp"

#include "strata/cpp/error.hpp"

#include "config/nearest.hpp"
#include "config/path.hpp"

namespace strata::config {
namespace {

constexpr const char* kDelete = "_delete_";

std::string in_table(const std::string& path) {
  return path.empty() ? "at the top of the file" : "in [" + path + "]";
}

void drop_listed_keys(Value& base, const Value& names, const std::string& path) {
  for (const Value& name : names.as_list()) {
    if (!base.erase(name.as_text())) {
      throw config_error(name.where(),
                         "_delete_ ",
                         in_table(path),
                         " names \"",
                         name.as_text(),
                         "\", which no base has",
                         did_you_mean(name.as_text(), base.keys()));
    }
  }
}

/// Obeys and removes the child's `_delete_`, if any. `base` may lose some or all of its keys.
void apply_delete(Value& base, Value& child, const std::string& path) {
  const Value* request = child.child(kDelete);
  if (request == nullptr) {
    return;
  }
  if (request->is_list()) {
    drop_listed_keys(base, *request, path);
  } else if (request->kind() != Kind::kBool) {
    throw config_error(request->where(),
                       "_delete_ ",
                       in_table(path),
                       " must be true, false or a list of key names, found ",
                       kind_name(request->kind()));
  } else if (request->as_bool()) {
    base = Value();
  }
  child.erase(kDelete);
}

/// True for a table that drops what the base has under its key.
bool replaces_all(const Value& child) {
  const Value* request = child.child(kDelete);
  return request != nullptr && request->kind() == Kind::kBool && request->as_bool();
}

bool is_removal(const Value& child) {
  return child.size() == 1 && replaces_all(child);
}

[[noreturn]] void refuse_kinds(const Value& old, const Entry& entry, const std::string& parent) {
  const std::string path = join_path(parent, entry.key);
  const std::string advice = entry.value.is_table()
                                 ? "add `_delete_ = true` to [" + path + "] to replace it"
                                 : "add `_delete_ = [" + quote_text(entry.key) + "]` " +
                                       in_table(parent) + " to replace it";
  throw config_error(entry.value.where(),
                     path,
                     " is ",
                     kind_name(entry.value.kind()),
                     " but replaces ",
                     kind_name(old.kind()),
                     " (",
                     old.where(),
                     "); ",
                     advice);
}

void merge_tables(Value& base, Value child, const std::string& path);

void merge_entry(Value& base, Entry entry, const std::string& path) {
  const std::string own_path = join_path(path, entry.key);
  Value* old = base.child(entry.key);
  if (is_removal(entry.value)) {
    if (!base.erase(entry.key)) {
      throw config_error(entry.value.where(),
                         "[",
                         own_path,
                         "] only says _delete_, but no base has ",
                         own_path,
                         did_you_mean(entry.key, base.keys()));
    }
    return;
  }
  if (!entry.value.is_table()) {
    if (old != nullptr && old->is_table()) {
      refuse_kinds(*old, entry, path);
    }
    base.set(entry.key, std::move(entry.value));
    return;
  }
  if (old != nullptr && !old->is_table() && !replaces_all(entry.value)) {
    refuse_kinds(*old, entry, path);
  }
  if (old == nullptr || !old->is_table()) {
    old = &base.set(entry.key, Value(Value::Table{}, entry.value.origin()));
  }
  merge_tables(*old, std::move(entry.value), own_path);
}

void merge_tables(Value& base, Value child, const std::string& path) {
  apply_delete(base, child, path);
  base.set_origin(child.origin());
  for (Entry& entry : std::get<Value::Table>(child.data())) {
    merge_entry(base, std::move(entry), path);
  }
}

}  // namespace

void merge_into(Value& base, Value child, const std::string& path) {
  merge_tables(base, std::move(child), path);
}

void join_bases(Value& bases, Value another) {
  for (Entry& entry : std::get<Value::Table>(another.data())) {
    if (const Value* other = bases.child(entry.key)) {
      throw config_error(entry.value.where(),
                         "two bases set ",
                         entry.key,
                         ": ",
                         other->where(),
                         " and ",
                         entry.value.where(),
                         "; keep it in one, or let one be the base of the other");
    }
    bases.set(entry.key, std::move(entry.value));
  }
}

}  // namespace strata::config
