/* A plugin in plain C. Definitions on the command line break one part of it each. */
#include "strata/abi.h"

#ifndef INIT_RC
#define INIT_RC STRATA_OK
#endif
#ifndef STRUCT_SIZE
#define STRUCT_SIZE sizeof(strata_plugin)
#endif
#ifndef ABI_MINOR
#define ABI_MINOR STRATA_ABI_MINOR
#endif
#ifndef CREATE
#define CREATE &create
#endif
#ifndef TABLE
#define TABLE &table
#endif
#ifndef TYPE
#define TYPE "RawHook"
#endif
#ifndef KIND
#define KIND "hook"
#endif
#ifndef ENTRY
#define ENTRY strata_plugin_entry_v0
#endif

#define TEXT(literal) {literal, sizeof(literal) - 1}

static const strata_str kInit = TEXT("init of the raw plugin");
static const strata_str kRefused = TEXT("no licence file");

static strata_rc init(const struct strata_host* host) {
  host->log->write(NULL, STRATA_LOG_INFO, kInit);
  if (INIT_RC != STRATA_OK) {
    host->error->set(INIT_RC, kRefused, (strata_str){NULL, 0});
    return INIT_RC;
  }
  return STRATA_OK;
}

static void deinit(void) {}

static uint32_t type_count(void) {
  return 1;
}

static strata_rc type_desc(uint32_t index, strata_type_desc* out) {
  const strata_type_desc desc = {
      STRATA_HDR(strata_type_desc), TEXT(TYPE), TEXT(KIND), TEXT(""), NULL, 0};
  (void)index;
  *out = desc;
  return STRATA_OK;
}

static strata_rc create(const strata_create_args* args, strata_object* out) {
  (void)args;
  (void)out;
  return STRATA_E_UNSUPPORTED;
}

static const void* get_extension(strata_str id) {
  (void)id;
  return NULL;
}

#ifdef NEEDS_SYMBOL
/* _ZN4acme6kernelEi is acme::kernel(int). */
/* NOLINTBEGIN(bugprone-reserved-identifier, readability-identifier-naming, cppcoreguidelines-avoid-non-const-global-variables) */
extern void _ZN4acme6kernelEi(int device);
void (*strata_plugin_entry_v0_needs)(int) = &_ZN4acme6kernelEi;
/* NOLINTEND(bugprone-reserved-identifier, readability-identifier-naming, cppcoreguidelines-avoid-non-const-global-variables) */
#endif

__attribute__((visibility("default"))) const strata_plugin* ENTRY(void);

__attribute__((visibility("default"))) const strata_plugin* ENTRY(void) {
  static const strata_plugin table = {{(uint32_t)STRUCT_SIZE, STRATA_ABI_MAJOR, ABI_MINOR, 0},
                                      &init,
                                      &deinit,
                                      &type_count,
                                      &type_desc,
                                      CREATE,
                                      &get_extension};
  (void)table;
  (void)&create;
  return TABLE;
}
