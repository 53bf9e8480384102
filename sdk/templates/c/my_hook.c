/* MyCHook: says a word when training begins. The least a plugin in C can be. */
#include <string.h>

#include "strata/abi.h"

#define TEXT(literal) {literal, sizeof(literal) - 1}

static const strata_host* host;

static strata_str text(const char* zero_terminated) {
  const strata_str out = {zero_terminated, strlen(zero_terminated)};
  return out;
}

/* This hook keeps nothing, so its self is the run it belongs to. */
static void destroy(void* self) {
  (void)self;
}

static strata_rc describe(void* self, strata_hook_desc* out) {
  (void)self;
  out->points = UINT64_C(1) << STRATA_POINT_BEFORE_TRAIN; /* the points that on() is called for */
  out->priority = 50;
  return STRATA_OK;
}

static strata_rc on(void* self, int32_t point, const strata_hook_ctx* ctx) {
  (void)point;
  (void)ctx;
  host->log->write(self, STRATA_LOG_INFO, text("MyCHook: training begins"));
  return STRATA_OK;
}

static const strata_hook_api hook_api = {
    .base = {.h = STRATA_HDR(strata_hook_api), .destroy = destroy},
    .describe = describe,
    .on = on,
};

static strata_rc init(const strata_host* given) {
  host = given;
  return STRATA_OK;
}

static void deinit(void) {}

static uint32_t type_count(void) {
  return 1;
}

static strata_rc type_desc(uint32_t index, strata_type_desc* out) {
  const strata_type_desc type = {
      .h = STRATA_HDR(strata_type_desc),
      .name = TEXT("MyCHook"),
      .kind = TEXT(STRATA_KIND_HOOK),
      .doc = TEXT("Says a word when training begins."),
  };
  (void)index;
  *out = type;
  return STRATA_OK;
}

static strata_rc create(const strata_create_args* args, strata_object* out) {
  out->self = args->runtime;
  out->vtbl = &hook_api;
  return STRATA_OK;
}

__attribute__((visibility("default"))) const strata_plugin* strata_plugin_entry_v0(void) {
  static const strata_plugin plugin = {
      .h = STRATA_HDR(strata_plugin),
      .init = init,
      .deinit = deinit,
      .type_count = type_count,
      .type_desc = type_desc,
      .create = create,
  };
  return &plugin;
}
