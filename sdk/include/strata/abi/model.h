/* Kind "model": tier torch-native. Tensors cross as pointers to at::Tensor; the loader has compared build tags. */
#ifndef STRATA_ABI_MODEL_H
#define STRATA_ABI_MODEL_H

#include "strata/abi/services.h"

#ifdef __cplusplus
extern "C" {
#endif

#define STRATA_KIND_MODEL "model"

/* An at::Tensor, by pointer. */
typedef void strata_native_tensor;

/* Collects what a model is made of, in build(). Unit 0 is the root and exists already. */
typedef struct strata_model_sink {
  void* ctx;
  /* Parents come before children, siblings in order of execution. */
  strata_rc (*unit)(void* ctx, int32_t parent, strata_str name, strata_str type, int32_t* out);
  /* The tensor is the parameter itself (a leaf, shared with the module). module: the type that registered it
   * ("BatchNorm2d"), which paramwise_cfg goes by. */
  strata_rc (*param)(void* ctx,
                     int32_t unit,
                     strata_str name,
                     strata_str module,
                     strata_native_tensor* tensor,
                     uint32_t flags,
                     int32_t* out);
  /* The unit reads a parameter that another one owns; name: what it calls it. */
  strata_rc (*borrow)(void* ctx, int32_t unit, int32_t param, strata_str name);
  /* State that is not trained (running statistics). persistent = 0: not in checkpoints. */
  strata_rc (*buffer)(
      void* ctx, int32_t unit, strata_str name, strata_native_tensor* tensor, int32_t persistent);
} strata_model_sink;

enum { STRATA_FORWARD_LOSS = 0, STRATA_FORWARD_PREDICT = 1, STRATA_FORWARD_TENSOR = 2 };

typedef struct strata_native_field {
  strata_str name;
  strata_native_tensor* tensor;
} strata_native_field;

typedef struct strata_output_sink {
  void* ctx;
  strata_rc (*put)(void* ctx, strata_str name, strata_native_tensor* tensor);
} strata_output_sink;

/* [main] */
typedef struct strata_model_api {
  strata_object_api base;
  strata_rc (*build)(void* self, const strata_model_sink* out); /* *; once */
  /* *; LOSS: outputs whose names contain "loss" are summed; PREDICT: what metrics read. Runs unit 0 between the
   * host's own enter and leave. */
  strata_rc (*forward)(void* self,
                       int32_t mode,
                       const strata_native_field* batch,
                       uint64_t n,
                       const strata_output_sink* out);
  strata_rc (*set_training)(void* self, int32_t training); /* * */
  /* Writes the initial value of parameter or buffer `name` to `out` (its shape), drawing from a generator seeded with
   * `seed` alone. */
  strata_rc (*init_value)(void* self,
                          strata_str name,
                          uint64_t seed,
                          strata_native_tensor* out); /* * */
  /* What the model calls the tensor that a weight file holds under `stored`; puts nothing when it has no use for it on
   * purpose. Empty slot: files have the model's own names. After build(). */
  strata_rc (*weight_name)(void* self, strata_str stored, const strata_text_sink* out); /* * */
} strata_model_api;

/* Service "strata.units/1": called by the SDK's unit holder and layers. [main] or, in recompute, [autograd]. */
#define STRATA_UNITS_API "strata.units/1"

typedef struct strata_units_api {
  strata_hdr h;
  /* Enters a unit. May replace the tensors by views of themselves. Pairs with leave(), also when forward throws
   * (failed = 1). */
  strata_rc (*enter)(strata_runtime* rt, int32_t unit, strata_native_tensor** inputs, uint64_t n);
  strata_rc (*leave)(
      strata_runtime* rt, int32_t unit, strata_native_tensor** outputs, uint64_t n, int32_t failed);
  /* The group over which batch norm takes its statistics, or NULL. */
  strata_group* (*batch_norm_group)(strata_runtime* rt);
  /* 1: the unit's forward keeps its inputs alone and runs again in backward (activation checkpointing). */
  int32_t (*checkpointed)(strata_runtime* rt, int32_t unit);
} strata_units_api;

#ifdef __cplusplus
}
#endif

#endif
