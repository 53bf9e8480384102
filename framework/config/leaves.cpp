// Flattening of trees.
#include "config/leaves.hpp"

#include <algorithm>

#include "config/path.hpp"

namespace strata::config {
namespace {

bool has_table(const Value& value) {
  const auto* list = std::get_if<Value::List>(&value.data());
  return value.is_table() || (list != nullptr && std::ranges::any_of(*list, has_table));
}

void collect(const Value& value, const std::string& path, std::vector<Leaf>& out) {
  const auto* table = std::get_if<Value::Table>(&value.data());
  const auto* list = std::get_if<Value::List>(&value.data());
  if (table != nullptr && !table->empty()) {
    for (const Entry& entry : *table) {
      collect(entry.value, join_path(path, entry.key), out);
    }
  } else if (list != nullptr && has_table(value)) {
    for (std::size_t i = 0; i < list->size(); ++i) {
      collect((*list)[i], join_path(path, std::to_string(i)), out);
    }
  } else if (!path.empty()) {
    out.push_back({path, &value});
  }
}

}  // namespace

std::vector<Leaf> leaves(const Value& root) {
  std::vector<Leaf> out;
  collect(root, {}, out);
  return out;
}

}  // namespace strata::config
