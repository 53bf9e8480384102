/* Tensors at the border: opaque handles, plain views of their memory, DLPack for everything else. */
#ifndef STRATA_ABI_TENSOR_H
#define STRATA_ABI_TENSOR_H

#include "strata/abi/core.h"

#ifdef __cplusplus
extern "C" {
#endif

#define STRATA_MAX_DIMS 8

/* A host-owned slot that holds a tensor. Valid as long as its owner says. */
typedef struct strata_tensor strata_tensor;

/* A tensor's memory as it is now. Borrowed: valid until the call it was handed to returns, or, when asked
 * for with view(), until the tensor's memory moves (evicted, resized, released). */
typedef struct strata_view {
  void* data;
  int64_t shape[STRATA_MAX_DIMS];
  int64_t stride[STRATA_MAX_DIMS]; /* in elements */
  int64_t numel;
  int32_t ndim;
  int32_t dtype; /* STRATA_F32, … */
  strata_device device;
} strata_view;

typedef struct strata_named_tensor {
  strata_str name;
  strata_tensor* tensor;
} strata_named_tensor;

/* Service "strata.tensor/1". [any], one thread at a time for one tensor. */
#define STRATA_TENSOR_API "strata.tensor/1"

typedef struct strata_tensor_api {
  strata_hdr h;
  strata_rc (*view)(strata_tensor* t, strata_view* out);
  /* A fresh contiguous tensor, uninitialised, counted under "tensor". The caller releases it. */
  strata_rc (*make)(
      strata_runtime* rt, int32_t dtype, int32_t ndim, const int64_t* shape, strata_tensor** out);
  void (*release)(strata_tensor* t);
  /* dst = src, cast if the dtypes differ; equal numel. */
  strata_rc (*copy)(strata_tensor* dst, strata_tensor* src, strata_stream* stream);
  /* A DLManagedTensorVersioned* that shares the memory; the receiver calls its deleter. */
  strata_rc (*to_dlpack)(strata_tensor* t, void** out_managed);
} strata_tensor_api;

#ifdef __cplusplus
}
#endif

#endif
