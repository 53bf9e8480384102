// strata_config_api over config::Value.
#include "registry/config_service.hpp"

#include <string>

#include "strata/cpp/error.hpp"

#include "border/errors.hpp"
#include "config/json.hpp"

namespace strata::registry {
namespace {

using border::guarded;
using border::view;

const config::Value& value_of(const strata_node* node) {
  if (node == nullptr) {
    throw Error(STRATA_E_ARGUMENT,
                "a value of the configuration is asked for at a NULL node; test what find() gave");
  }
  return *reinterpret_cast<const config::Value*>(node);
}

int32_t kind(const strata_node* node) {
  return node == nullptr ? -1 : static_cast<int32_t>(value_of(node).kind());
}

uint64_t size(const strata_node* node) {
  return node == nullptr ? 0 : value_of(node).size();
}

strata_rc entry(const strata_node* node, uint64_t i, strata_str* key, const strata_node** out) {
  return guarded([&] {
    const config::Value& value = value_of(node);
    if (i >= value.size()) {
      throw Error(
          STRATA_E_ARGUMENT, text("entry ", i, " is asked for of ", value.size()), value.where());
    }
    if (const auto* list = std::get_if<config::Value::List>(&value.data())) {
      *key = {nullptr, 0};
      *out = as_node((*list)[i]);
      return;
    }
    const config::Entry& found = std::get<config::Value::Table>(value.data())[i];
    *key = view(std::string_view(found.key));
    *out = as_node(found.value);
  });
}

strata_rc find(const strata_node* node, strata_str path, const strata_node** out) {
  return guarded([&] {
    const config::Value* found = value_of(node).find(view(path));
    *out = found == nullptr ? nullptr : as_node(*found);
  });
}

strata_rc as_bool(const strata_node* node, int32_t* out) {
  return guarded([&] { *out = value_of(node).as_bool() ? 1 : 0; });
}

strata_rc as_int(const strata_node* node, int64_t* out) {
  return guarded([&] { *out = value_of(node).as_int(); });
}

strata_rc as_float(const strata_node* node, double* out) {
  return guarded([&] { *out = value_of(node).as_float(); });
}

strata_rc as_text(const strata_node* node, strata_str* out) {
  return guarded([&] { *out = view(std::string_view(value_of(node).as_text())); });
}

strata_str where(const strata_node* node) {
  thread_local std::string place;
  if (guarded([&] { place = value_of(node).where(); }) != STRATA_OK) {
    return {nullptr, 0};
  }
  return view(std::string_view(place));
}

void mark_read(const strata_node* node) {
  guarded([&] { value_of(node).mark_all_read(); });
}

strata_rc to_json(const strata_node* node, const strata_text_sink* out) {
  return guarded([&] {
    const std::string json = config::to_json(value_of(node));
    border::check(out->put(out->ctx, view(std::string_view(json))));
  });
}

}  // namespace

const strata_node* as_node(const config::Value& value) {
  return reinterpret_cast<const strata_node*>(&value);
}

const strata_config_api* config_service() {
  static const strata_config_api api = {STRATA_HDR(strata_config_api),
                                        &kind,
                                        &size,
                                        &entry,
                                        &find,
                                        &as_bool,
                                        &as_int,
                                        &as_float,
                                        &as_text,
                                        &where,
                                        &mark_read,
                                        &to_json};
  return &api;
}

}  // namespace strata::registry
