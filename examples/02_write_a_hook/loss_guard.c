/* LossGuardHook: ends a run whose loss has left the range in which it can recover. Plain C. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "strata/abi.h"

typedef struct loss_guard {
  strata_runtime* runtime; /* names this rank's run in calls of services */
  double max_loss;
} loss_guard;

/* What init() got; valid as long as the process. */
static const strata_host* host;
static const strata_runner_api* runner;

static strata_str text(const char* zero_terminated) {
  const strata_str out = {zero_terminated, strlen(zero_terminated)};
  return out;
}

static int is_text(strata_str a, const char* b) {
  return a.n == strlen(b) && memcmp(a.p, b, a.n) == 0;
}

/* Leaves the error record, which the host copies, and returns its code. */
static strata_rc fail(strata_rc code, const char* message) {
  const strata_str nowhere = {NULL, 0}; /* a place in the user's files, if there is one to blame */
  host->error->set(code, text(message), nowhere);
  return code;
}

/* --- the hook --- */

static void destroy(void* self) {
  free(self);
}

static uint64_t point_bit(int point) {
  return UINT64_C(1) << point;
}

static strata_rc describe(void* self, strata_hook_desc* out) {
  (void)self;
  out->points = point_bit(STRATA_POINT_BEFORE_TRAIN) | point_bit(STRATA_POINT_AFTER_TRAIN_ITER);
  out->priority = 50;
  return STRATA_OK;
}

static void announce(const loss_guard* guard) {
  char line[96];
  snprintf(line, sizeof line, "LossGuardHook: a loss above %g ends the run", guard->max_loss);
  host->log->write(guard->runtime, STRATA_LOG_INFO, text(line));
}

static strata_rc check_loss(const loss_guard* guard, double loss) {
  strata_progress at = {.h = STRATA_HDR(strata_progress)};
  char message[192];
  strata_rc rc = STRATA_OK;
  if (loss <= guard->max_loss) { /* false for NaN as well */
    return STRATA_OK;
  }
  rc = runner->progress(guard->runtime, &at);
  if (rc != STRATA_OK) {
    return rc; /* the host has left the record */
  }
  snprintf(message,
           sizeof message,
           "LossGuardHook: loss %g at iteration %" PRId64
           " is not below max_loss = %g; "
           "lower the learning rate or raise max_loss",
           loss,
           at.iter + 1,
           guard->max_loss);
  return fail(STRATA_E_FAILED, message);
}

/* One rank that fails is enough: the host ends the others. */
static strata_rc on(void* self, int32_t point, const strata_hook_ctx* ctx) {
  const loss_guard* guard = self;
  if (point == STRATA_POINT_BEFORE_TRAIN) {
    announce(guard);
    return STRATA_OK;
  }
  for (uint64_t i = 0; i < ctx->n_numbers; ++i) {
    if (is_text(ctx->numbers[i].name, "loss")) {
      return check_loss(guard, ctx->numbers[i].value);
    }
  }
  return STRATA_OK;
}

/* Slots that are not needed stay NULL: there is no state to save. */
static const strata_hook_api hook_api = {
    .base = {.h = STRATA_HDR(strata_hook_api), .destroy = destroy},
    .describe = describe,
    .on = on,
};

/* --- the plugin --- */

#define TEXT(literal) {literal, sizeof(literal) - 1}

static const strata_field fields[] = {{
    .name = TEXT("max_loss"),
    .doc = TEXT("above it, or at NaN, the run ends"),
    .default_text = TEXT("1e4"),
    .allowed = TEXT("(0, inf)"),
    .kind = STRATA_FIELD_FLOAT,
}};

static strata_rc init(const strata_host* given) {
  host = given;
  runner = host->get(text(STRATA_RUNNER_API));
  if (runner == NULL) {
    return fail(STRATA_E_UNSUPPORTED, "this host has no service " STRATA_RUNNER_API);
  }
  return STRATA_OK;
}

static void deinit(void) {}

static uint32_t type_count(void) {
  return 1;
}

static strata_rc type_desc(uint32_t index, strata_type_desc* out) {
  const strata_type_desc type = {
      .h = STRATA_HDR(strata_type_desc),
      .name = TEXT("LossGuardHook"),
      .kind = TEXT(STRATA_KIND_HOOK),
      .doc = TEXT("Ends a run whose loss is too high to recover."),
      .fields = fields,
      .n_fields = 1,
  };
  (void)index;
  *out = type;
  return STRATA_OK;
}

/* The host has checked the keys' types and ranges against `fields`. */
static strata_rc create(const strata_create_args* args, strata_object* out) {
  const strata_node* key = NULL;
  double max_loss = 1e4;
  loss_guard* guard = NULL;
  strata_rc rc = host->config->find(args->config, text("max_loss"), &key);
  if (rc == STRATA_OK && key != NULL) {
    rc = host->config->as_float(key, &max_loss);
  }
  if (rc != STRATA_OK) {
    return rc;
  }
  guard = malloc(sizeof *guard);
  if (guard == NULL) {
    return fail(STRATA_E_FAILED, "LossGuardHook: out of memory");
  }
  guard->runtime = args->runtime;
  guard->max_loss = max_loss;
  out->self = guard;
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
