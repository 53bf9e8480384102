// Applying of --cfg-options.
#include "config/overrides.hpp"

#include <charconv>

#include "strata/cpp/error.hpp"

#include "config/literal.hpp"
#include "config/merge.hpp"
#include "config/path.hpp"

namespace strata::config {
namespace {

constexpr const char* kNote = "--cfg-options";

std::string described(const Value& value) {
  return text(kind_name(value.kind()), " (", value.where(), ")");
}

Value& item_of(Value& owner, const std::string& segment, const std::string& path) {
  auto& list = std::get<Value::List>(owner.data());
  std::size_t index = list.size();
  const char* end = segment.data() + segment.size();
  const auto [ptr, error] = std::from_chars(segment.data(), end, index);
  if (error != std::errc() || ptr != end || index >= list.size()) {
    throw config_error(
        "",
        path,
        " is a list of ",
        list.size(),
        " items (",
        owner.where(),
        "); \"",
        segment,
        "\" is not one of its numbers",
        list.empty() ? std::string() : text(", which go from 0 to ", list.size() - 1));
  }
  return list[index];
}

/// The node one key further down; a missing table is created.
Value& descend(Value& owner, const std::string& segment, const std::string& path) {
  if (owner.is_list()) {
    return item_of(owner, segment, path);
  }
  if (!owner.is_table()) {
    throw config_error("",
                       path,
                       " is ",
                       described(owner),
                       ", so it has no key \"",
                       segment,
                       "\"; set ",
                       path,
                       " itself, or remove it first with ",
                       path,
                       "=None");
  }
  Value* next = owner.child(segment);
  return next != nullptr ? *next : owner.set(segment, Value(Value::Table{}, {{}, 0, 0, kNote}));
}

void check_kinds(const Value* old, const Value& value, const std::string& path) {
  const bool clash = old != nullptr && old->is_table() != value.is_table();
  if (clash && value.child("_delete_") == nullptr) {
    throw config_error("",
                       path,
                       " is ",
                       described(*old),
                       " and cannot become ",
                       kind_name(value.kind()),
                       " in one go; remove it first with ",
                       path,
                       "=None, or set a key inside it");
  }
}

void put_in_list(Value& owner,
                 const std::string& segment,
                 std::optional<Value> value,
                 const std::string& path) {
  Value& item = item_of(owner, segment, path);
  const std::string own_path = join_path(path, segment);
  if (!value) {
    throw config_error(
        "", own_path, " is a list item and cannot be None; set ", path, " as a whole");
  }
  check_kinds(&item, *value, own_path);
  if (value->is_table()) {
    merge_into(item, std::move(*value), own_path);
  } else {
    item = std::move(*value);
  }
}

void put(Value& owner,
         const std::string& segment,
         std::optional<Value> value,
         const std::string& path) {
  if (owner.is_list()) {
    return put_in_list(owner, segment, std::move(value), path);
  }
  if (!owner.is_table()) {
    descend(owner, segment, path);  // refuses
  }
  if (!value) {
    owner.erase(segment);
    return;
  }
  check_kinds(owner.child(segment), *value, join_path(path, segment));
  Value patch(Value::Table{}, owner.origin());
  patch.set(segment, std::move(*value));
  merge_into(owner, std::move(patch), path);
}

void apply(Value& root, std::string_view option, const FileScope& scope) {
  const std::size_t equals = option.find('=');
  if (equals == std::string_view::npos) {
    throw config_error("", "this option has no \"=\"; write it as key.path=value");
  }
  const std::vector<std::string> keys = split_path(option.substr(0, equals));
  std::optional<Value> value = parse_literal(option.substr(equals + 1), {{}, 0, 0, kNote});
  if (value) {
    value = resolve_local(std::move(*value), scope);
  }
  Value* owner = &root;
  std::string path;
  for (std::size_t i = 0; i + 1 < keys.size(); ++i) {
    owner = &descend(*owner, keys[i], path);
    path = join_path(path, keys[i]);
  }
  put(*owner, keys.back(), std::move(value), path);
}

}  // namespace

void apply_override(Value& root, std::string_view option, const FileScope& scope) {
  try {
    apply(root, option, scope);
  } catch (const Error& e) {
    throw config_error(text(kNote, " ", option), e.message());
  }
}

}  // namespace strata::config
