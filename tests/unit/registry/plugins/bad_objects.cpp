// Types whose create() breaks the contract: no object, a short table, no destroy, an exception.
#include <array>
#include <stdexcept>
#include <string_view>

#include "strata/abi.h"

namespace {

constexpr std::array<const char*, 4> kTypes = {"NullObject", "ShortTable", "NoDestroy", "Thrower"};

strata_str view(std::string_view text) {
  return {text.data(), text.size()};
}

strata_rc init(const strata_host*) {
  return STRATA_OK;
}

void deinit() {}

uint32_t type_count() {
  return kTypes.size();
}

strata_rc type_desc(uint32_t index, strata_type_desc* out) {
  *out = {STRATA_HDR(strata_type_desc),
          view(kTypes.at(index)),
          view(STRATA_KIND_HOOK),
          view(""),
          nullptr,
          0};
  return STRATA_OK;
}

strata_rc create(const strata_create_args* args, strata_object* out) {
  static int self = 0;
  static const strata_object_api short_table = {
      {4, STRATA_ABI_MAJOR, STRATA_ABI_MINOR, 0}, nullptr, nullptr};
  static const strata_object_api no_destroy = {STRATA_HDR(strata_object_api), nullptr, nullptr};
  const std::string_view type(args->type.p, args->type.n);
  if (type == "Thrower") {
    throw std::runtime_error("a raw exception");
  }
  if (type == "ShortTable") {
    *out = {&self, &short_table};
  } else if (type == "NoDestroy") {
    *out = {&self, &no_destroy};
  }
  return STRATA_OK;
}

const void* get_extension(strata_str) {
  return nullptr;
}

}  // namespace

extern "C" __attribute__((visibility("default"))) const strata_plugin* strata_plugin_entry_v0(void);

extern "C" __attribute__((visibility("default"))) const strata_plugin* strata_plugin_entry_v0(
    void) {
  static const strata_plugin plugin = {
      STRATA_HDR(strata_plugin), &init, &deinit, &type_count, &type_desc, &create, &get_extension};
  return &plugin;
}
