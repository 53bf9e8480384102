/* Kind "communicator": moves bytes between ranks. Tier c, or torch-native over LibTorch's process groups. */
#ifndef STRATA_ABI_COMMUNICATOR_H
#define STRATA_ABI_COMMUNICATOR_H

#include "strata/abi/services.h"

#ifdef __cplusplus
extern "C" {
#endif

#define STRATA_KIND_COMMUNICATOR "communicator"

/* A key-value store that all ranks see, for rendezvous. [any] */
typedef struct strata_store {
  void* ctx;
  strata_rc (*set)(void* ctx, strata_str key, strata_str value);
  /* Waits for the key up to timeout_ms, then puts its value. */
  strata_rc (*get)(void* ctx, strata_str key, int64_t timeout_ms, const strata_text_sink* out);
} strata_store;

typedef struct strata_group_args {
  strata_hdr h;
  strata_str name; /* unique for the group, the same on its ranks */
  int32_t rank;    /* within the group */
  int32_t size;
  int32_t same_host; /* 1: all ranks of the group run on this machine */
  int32_t same_process;
  int64_t timeout_ms; /* of any one collective */
  strata_device device;
  const strata_store* store; /* lives as long as the communicator */
} strata_group_args;

typedef struct strata_communicator_caps {
  strata_hdr h;
  uint32_t device_types; /* bit 1 << STRATA_CPU, … */
  int32_t needs_same_host;
  int32_t needs_same_process;
  int32_t asynchronous; /* 1: collectives run while the caller goes on */
} strata_communicator_caps;

/* As strata_comm_api, on the plugin's own groups and works. A work ends in exactly one wait(). Every reduction adds each
 * element in rank order. After STRATA_E_COMM a group only takes abort and group_free. All slots are required. [main] and
 * [autograd], one call at a time per group. */
typedef struct strata_communicator_api {
  strata_object_api base;
  strata_rc (*describe)(void* self, strata_communicator_caps* out);
  strata_rc (*group_new)(void* self, const strata_group_args* args, void** out);
  void (*group_free)(void* self, void* group);
  strata_rc (*all_reduce)(void* self,
                          void* group,
                          void* data,
                          int64_t count,
                          int32_t dtype,
                          int32_t op,
                          strata_stream* stream,
                          void** work);
  strata_rc (*reduce_scatter)(void* self,
                              void* group,
                              const void* in,
                              void* out,
                              int64_t count,
                              int32_t dtype,
                              int32_t op,
                              strata_stream* stream,
                              void** work);
  strata_rc (*all_gather)(void* self,
                          void* group,
                          const void* in,
                          void* out,
                          int64_t count,
                          int32_t dtype,
                          strata_stream* stream,
                          void** work);
  strata_rc (*broadcast)(void* self,
                         void* group,
                         void* data,
                         int64_t count,
                         int32_t dtype,
                         int32_t root,
                         strata_stream* stream,
                         void** work);
  strata_rc (*all_to_all)(void* self,
                          void* group,
                          const void* in,
                          void* out,
                          int64_t count,
                          int32_t dtype,
                          strata_stream* stream,
                          void** work);
  strata_rc (*barrier)(void* self, void* group);
  strata_rc (*wait)(void* self, void* work, strata_stream* stream);
  /* Makes every rank that waits in this group, here or elsewhere, return STRATA_E_COMM with the reason. [any] */
  void (*abort)(void* self, void* group, strata_str reason);
} strata_communicator_api;

#ifdef __cplusplus
}
#endif

#endif
