/* Kinds "optimizer", "optim_wrapper" and "param_scheduler". */
#ifndef STRATA_ABI_OPTIM_H
#define STRATA_ABI_OPTIM_H

#include "strata/abi/strategy.h"

#ifdef __cplusplus
extern "C" {
#endif

/* --- optimizer ------------------------------------------------------------------------------------------ */

#define STRATA_KIND_OPTIMIZER "optimizer"
#define STRATA_MAX_OPTIM_STATES 4

enum {
  STRATA_HYPER_LR = 1,      /* what `*LR` schedulers drive and `lr_mult` multiplies */
  STRATA_HYPER_DECAY = 2,   /* what `decay_mult` multiplies */
  STRATA_HYPER_MOMENTUM = 4 /* what `*Momentum` schedulers drive */
};

/* A number per parameter group. */
typedef struct strata_hyper {
  strata_str name; /* "lr", "weight_decay", "beta1", … */
  double value;    /* as configured */
  uint32_t flags;
  uint32_t reserved;
} strata_hyper;

/* A number per element that the optimizer keeps; the host allocates it zeroed, saves, loads and reshards it by
 * parameter name. */
typedef struct strata_optim_state {
  strata_str name; /* "exp_avg" */
  int32_t dtype;   /* STRATA_F32, or -1: the dtype of the value, fp32 for half precisions */
  int32_t reserved;
} strata_optim_state;

enum {
  /* step() and prepare() may run on several threads at once, each call with chunks of its own: [any]. */
  STRATA_OPTIM_CONCURRENT = 1,
  /* step() fills the chunks' copies; without it the host does, afterwards. */
  STRATA_OPTIM_WRITES_COPY = 2
};

#define STRATA_MAX_OPTIM_SUMS 4

typedef struct strata_optimizer_caps {
  strata_hdr h;
  const strata_hyper* hypers; /* static or the object's life */
  uint64_t n_hypers;
  const strata_optim_state* states;
  uint64_t n_states;
  uint32_t flags; /* STRATA_OPTIM_* */
  /* Sums over a whole parameter that step() wants to know, such as squared norms; prepare() gives their terms. At most
   * STRATA_MAX_OPTIM_SUMS. Chunks then hold elements of one parameter each. */
  uint32_t n_sums;
} strata_optimizer_caps;

/* A contiguous stretch whose elements share group and step count. */
typedef struct strata_optim_chunk {
  void* value;
  const void* grad;
  void* state[STRATA_MAX_OPTIM_STATES];
  int64_t count;
  int64_t step; /* updates of these elements, this one included; from 1 */
  int32_t group;
  int32_t value_dtype;
  int32_t grad_dtype;
  int32_t state_dtype; /* of all states given as -1 */
  /* Where the new values go as well, rounded to nearest even; NULL: nowhere. May be the memory of a gradient of the
   * same type: an element's gradient is read before its copy is written. */
  void* copy;
  int32_t copy_dtype;
  int32_t reserved;
  const double* sums; /* caps.n_sums, over the whole parameter and all ranks; in step() only */
} strata_optim_chunk;

typedef struct strata_optim_step_args {
  strata_hdr h;
  const strata_optim_chunk* chunks;
  uint64_t n_chunks;
  const double* hypers; /* [group][hyper], in the order of caps */
  uint64_t n_hypers;
  double grad_scale; /* multiply gradients by it first */
  strata_stream* stream;
} strata_optim_step_args;

typedef struct strata_optimizer_api {
  strata_object_api base;
  strata_rc (*describe)(void* self, strata_optimizer_caps* out); /* * */
  /* *; element-wise: the same bits however a parameter is cut into chunks. [main] */
  strata_rc (*step)(void* self, const strata_optim_step_args* args);
  /* With caps.n_sums above 0: comes before step(), for the same elements. May change states, not values. Writes to
   * sums[chunk][sum] the terms of each chunk's own elements; the host adds them, pieces of a parameter in order, then
   * ranks in rank order. [main] */
  strata_rc (*prepare)(void* self, const strata_optim_step_args* args, double* sums);
} strata_optimizer_api;

/* --- optim_wrapper -------------------------------------------------------------------------------------- */

#define STRATA_KIND_OPTIM_WRAPPER "optim_wrapper"

typedef struct strata_wrapper_begin_args {
  strata_hdr h;
  int64_t iter;      /* iterations done, for a resumed run */
  int64_t max_iters; /* 0: unknown */
  strata_device device;
} strata_wrapper_begin_args;

typedef struct strata_step_result {
  strata_hdr h;
  double grad_norm;  /* NaN when it was not computed */
  double loss_scale; /* the scale used in this update's backward; 1 without scaler */
  int32_t skipped;   /* 1: inf or NaN in the gradients, nothing was updated */
  int32_t reserved;
} strata_step_result;

typedef struct strata_optim_wrapper_api {
  strata_object_api base;
  strata_rc (*begin)(void* self, const strata_wrapper_begin_args* args);
  strata_rc (*context_enter)(
      void* self,
      const strata_step_ctx* ctx); /* around preprocess and forward, also val and test */
  strata_rc (*context_exit)(void* self, const strata_step_ctx* ctx);
  /* The window that iteration `iter` belongs to: its micro-batches and this one's index in it. * */
  strata_rc (*window)(void* self, int64_t iter, int32_t* micro, int32_t* n_micro);
  /* What the loss is multiplied by before backward. * */
  strata_rc (*loss_factor)(void* self, const strata_step_ctx* ctx, double* out);
  /* At the end of a window: unscale, clip, update, by strata_update_api. * */
  strata_rc (*step)(void* self, const strata_step_ctx* ctx, strata_step_result* out);
  strata_rc (*save)(void* self, const strata_text_sink* out);
  strata_rc (*load)(void* self, strata_str json);
} strata_optim_wrapper_api;

/* --- param_scheduler ------------------------------------------------------------------------------------ */

#define STRATA_KIND_PARAM_SCHEDULER "param_scheduler"

typedef struct strata_scheduler_desc {
  strata_hdr h;
  strata_str param; /* "lr", "momentum" or a hyper-parameter's name */
  int64_t begin;    /* epochs or iterations */
  int64_t end;      /* exclusive; -1: the run's */
  int32_t by_epoch;
  int32_t convert_to_iter_based;
  strata_str monitor; /* not empty: steps after validation on this metric instead */
  const strata_str*
      also; /* further hyper-parameters, driven where the optimizer has them; the object's life */
  uint64_t n_also;
  int32_t
      by_update; /* 1: counts the optimizer's updates, skipped ones left out; by_epoch is not read */
  int32_t reserved;
} strata_scheduler_desc;

typedef struct strata_scheduler_args {
  strata_hdr h;
  int64_t t; /* steps since begin: 0 at begin */
  int64_t
      length; /* end - begin; by_update without end: updates of the run if none is skipped, 0 when unknown */
  double base;    /* the group's initial value */
  double current; /* the value as it is now */
  double metric;  /* of `monitor`, else NaN */
  int32_t group;
  int32_t
      epoch_length; /* iterations of an epoch when converted from epochs to iterations, else 1 */
  int32_t
      n_groups; /* groups of parameters; group n_groups, if it comes, is the reference free of multipliers */
  int32_t param; /* 0: desc.param; i: desc.also[i - 1] */
} strata_scheduler_args;

typedef struct strata_param_scheduler_api {
  strata_object_api base;
  strata_rc (*describe)(void* self, strata_scheduler_desc* out); /* * */
  /* The value for step t from the value of step t-1 (t = 0: from the base), so that schedulers chain. Called once per group and step with begin <= step < end. * */
  strata_rc (*value)(void* self, const strata_scheduler_args* args, double* out);
  strata_rc (*save)(void* self, const strata_text_sink* out);
  strata_rc (*load)(void* self, strata_str json);
} strata_param_scheduler_api;

#ifdef __cplusplus
}
#endif

#endif
