/* Buffers whose storage object never changes while their memory comes and goes; parameters bound to them. */
#ifndef STRATA_ABI_MEMORY_H
#define STRATA_ABI_MEMORY_H

#include "strata/abi/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A stretch of device memory with a fixed size. Freed by its maker after nothing is bound to it any more. */
typedef struct strata_buffer strata_buffer;

enum {
  STRATA_BUFFER_EVICTED = 1, /* made without memory; make_resident() brings it */
  STRATA_BUFFER_ZEROED = 2,  /* filled with zeros when made */
  /* Its memory comes from what other such buffers of this rank left when they were evicted, if a piece fits, and is
   * kept for them afterwards (tag "spare"): for large buffers that take turns. Since 0.4. */
  STRATA_BUFFER_TAKES_TURNS = 4
};

/* Bytes of all CPU tensors of the process, buffers included: states, activations, batches, workspaces of operators. Ranks that are
 * threads of one process (tests) share them; what each of them has is in the accounts of tags, which are per rank. */
typedef struct strata_memory_stats {
  strata_hdr h;
  int64_t allocated;      /* now */
  int64_t peak_allocated; /* since the last reset_peak() */
} strata_memory_stats;

/* Service "strata.memory/1". [main] and [autograd]. */
#define STRATA_MEMORY_API "strata.memory/1"

typedef struct strata_memory_api {
  strata_hdr h;
  /* bytes may be 0. The tag is what the byte account is kept under. These have a meaning for logs and estimates:
   *   states, which stay from step to step, together `state_bytes` in scalars.json:
   *     "param"      values of parameters that are whole on this rank
   *     "shard"      this rank's share of values
   *     "grad"       gradients that the optimizer reads, or that add up over micro-batches
   *     "optim"      optimizer state (made by the host)
   *   what comes and goes within a step:
   *     "unit"       values of a unit, whole between gather and evict
   *     "unit_grad"  gradients of a unit until they are reduced
   *     "comm"       staging of collectives
   *   and "spare", what buffers that take turns have left for each other.
   * Any other tag has an account as well, and counts as coming and going. */
  strata_rc (*buffer_new)(
      strata_runtime* rt, int64_t bytes, uint32_t flags, strata_str tag, strata_buffer** out);
  void (*buffer_free)(strata_buffer* b);
  /* Brings memory of undefined content (NaN in debug mode); nothing if it is resident. */
  strata_rc (*make_resident)(strata_buffer* b, strata_stream* stream);
  /* Gives the memory back; a later read through any tensor on it fails naming its parameter and unit. */
  strata_rc (*evict)(strata_buffer* b, strata_stream* stream);
  int32_t (*is_resident)(const strata_buffer* b);
  /* The memory, 64-byte aligned, or NULL when evicted; valid until evicted. */
  void* (*data)(strata_buffer* b);
  int64_t (*bytes)(const strata_buffer* b);
  /* Keeps the memory from reuse until work queued on the stream so far is done. Nothing on a CPU. */
  strata_rc (*record_use)(strata_buffer* b, strata_stream* stream);
  strata_rc (*stats)(strata_runtime* rt, strata_memory_stats* out);
  strata_rc (*bytes_of_tag)(strata_runtime* rt, strata_str tag, int64_t* now, int64_t* peak);
  strata_rc (*reset_peak)(strata_runtime* rt);
} strata_memory_api;

enum { STRATA_BIND_DISCARD = 0, STRATA_BIND_KEEP = 1 };

/* Service "strata.param/1": parameters by number, as strategy.plan_units() describes them. [main] and
 * [autograd]. */
#define STRATA_PARAM_API "strata.param/1"

typedef struct strata_param_api {
  strata_hdr h;
  /* Makes the parameter live at byte_offset of the buffer from now on, with dtype and its shape and strides. NULL: those
   * of its description if they leave no gaps, else row by row; it then takes numel elements. Once per parameter. KEEP
   * copies its present value there; the buffer must be resident for that.
   * byte_offset must be a multiple of the element's bytes. Multiples of 64 are advised: operators may round otherwise
   * where a parameter is less aligned, and then strategies no longer agree in every digit. */
  strata_rc (*bind_view)(strata_runtime* rt,
                         int32_t param,
                         strata_buffer* b,
                         int64_t byte_offset,
                         int32_t dtype,
                         const int64_t* strides,
                         int32_t keep);
  /* The same for its gradient: backward then adds to this memory in place. The host zeroes the whole buffer: when this
   * binds it and when an update or an aborted iteration is over, if it is resident; at make_resident(). */
  strata_rc (*bind_grad_view)(
      strata_runtime* rt, int32_t param, strata_buffer* b, int64_t byte_offset, int32_t dtype);
  /* For a parameter without a bound gradient: moves (accumulate = 0) or adds (1) its gradient, cast to dtype, to
   * dst of numel elements and drops it. *had = 0 and dst untouched when there is none. From the
   * parameter's grad_ready to backward_done. */
  strata_rc (*grad_take)(strata_runtime* rt,
                         int32_t param,
                         void* dst,
                         int32_t dtype,
                         int32_t accumulate,
                         int32_t* had);
  /* Whether backward reached the parameter since the last update, on this rank or as set_touched() said. Those not
   * touched are left alone by the optimizer, so ranks have to agree before it, or their values part. */
  strata_rc (*touched)(strata_runtime* rt, int32_t param, int32_t* out);
  strata_rc (*set_touched)(strata_runtime* rt, int32_t param, int32_t touched);
  /* Fills the parameters and buffers that the unit owns with their initial values, or with those of load_from.
   * The unit's parameters must be bound and resident. In materialize(). */
  strata_rc (*init_unit)(strata_runtime* rt, int32_t unit);
  /* The same for one parameter, written to dst (numel elements of dtype) and nowhere else. */
  strata_rc (*init_param)(strata_runtime* rt, int32_t param, void* dst, int32_t dtype);
  /* The buffers alone (running statistics) that the unit owns. In materialize(), for units filled by init_param(). */
  strata_rc (*init_buffers)(strata_runtime* rt, int32_t unit);
  /* Casts the unit's floating-point buffers to dtype for the rest of the run. After init_buffers(). */
  strata_rc (*cast_buffers)(strata_runtime* rt, int32_t unit, int32_t dtype);
  /* init_param() for elements [offset, offset + count) of the parameter as its memory lies. Of a stored value only
   * these are read; an initial value is drawn whole, in memory that is given back, and so is a stored value whose memory
   * order is not that of its shape. */
  strata_rc (*init_slice)(
      strata_runtime* rt, int32_t param, int64_t offset, int64_t count, void* dst, int32_t dtype);
} strata_param_api;

#ifdef __cplusplus
}
#endif

#endif
