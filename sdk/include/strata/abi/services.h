/* Further per-rank services: communication, autograd scopes, message hub, run control, update steps. */
#ifndef STRATA_ABI_SERVICES_H
#define STRATA_ABI_SERVICES_H

#include "strata/abi/memory.h"

#ifdef __cplusplus
extern "C" {
#endif

/* --- communication ------------------------------------------------------------------------------------ */

/* Ranks that communicate with each other. Owned by the host. */
typedef struct strata_group strata_group;
/* A collective under way. Waited for exactly once; wait() frees it. */
typedef struct strata_work strata_work;

enum { STRATA_SUM = 0, STRATA_MAX = 1, STRATA_MIN = 2 };

/* Service "strata.comm/1". Collectives: every rank of the group calls the same ones in the same order. Data must
 * stay valid and untouched until the wait. Reductions add each element in rank order 0 … N-1, whatever the size.
 * Errors: STRATA_E_COMM, a peer is gone or past the timeout; the run ends. [main] and [autograd]. */
#define STRATA_COMM_API "strata.comm/1"

typedef struct strata_comm_api {
  strata_hdr h;
  strata_group* (*world)(strata_runtime* rt);
  /* The group of the given ranks, ascending; every rank of the world calls it, with its own group's ranks. In
   * setup_env(). */
  strata_rc (*group_new)(strata_runtime* rt, const int32_t* ranks, int32_t n, strata_group** out);
  int32_t (*rank)(const strata_group* g);
  int32_t (*size)(const strata_group* g);
  /* In place. */
  strata_rc (*all_reduce)(strata_group* g,
                          void* data,
                          int64_t count,
                          int32_t dtype,
                          int32_t op,
                          strata_stream* stream,
                          strata_work** out);
  /* in: size() * count elements; out: the count elements of this rank's slice. out may be that slice of in; the rest of in
   * is as it was. */
  strata_rc (*reduce_scatter)(strata_group* g,
                              const void* in,
                              void* out,
                              int64_t count,
                              int32_t dtype,
                              int32_t op,
                              strata_stream* stream,
                              strata_work** work);
  /* in: count elements; out: size() * count. in may be this rank's slice of out. */
  strata_rc (*all_gather)(strata_group* g,
                          const void* in,
                          void* out,
                          int64_t count,
                          int32_t dtype,
                          strata_stream* stream,
                          strata_work** work);
  strata_rc (*broadcast)(strata_group* g,
                         void* data,
                         int64_t count,
                         int32_t dtype,
                         int32_t root,
                         strata_stream* stream,
                         strata_work** work);
  /* in, out: size() * count elements; slice r goes to rank r. */
  strata_rc (*all_to_all)(strata_group* g,
                          const void* in,
                          void* out,
                          int64_t count,
                          int32_t dtype,
                          strata_stream* stream,
                          strata_work** work);
  strata_rc (*barrier)(strata_group* g);
  strata_rc (*wait)(strata_work* work, strata_stream* stream);
  /* Bytes this rank sent since the start, for the account. */
  int64_t (*bytes_sent)(strata_runtime* rt);
} strata_comm_api;

/* --- streams ------------------------------------------------------------------------------------------ */

/* Service "strata.stream/1". On a CPU every stream is NULL and order is program order. This host has no other device:
 * buffers are plain memory, which a plugin may read and write. */
#define STRATA_STREAM_API "strata.stream/1"

typedef struct strata_stream_api {
  strata_hdr h;
  strata_stream* (*compute)(strata_runtime* rt);
  strata_rc (*side)(strata_runtime* rt, strata_str name, strata_stream** out);
  /* What is queued on `waiter` after this starts when all that is queued on `on` now has ended. */
  strata_rc (*wait)(strata_stream* waiter, strata_stream* on);
  void* (*native)(strata_stream* s); /* cudaStream_t, or NULL */
} strata_stream_api;

/* --- autograd scopes ---------------------------------------------------------------------------------- */

/* Service "strata.autograd/1". [main] */
#define STRATA_AUTOGRAD_API "strata.autograd/1"

typedef struct strata_autograd_api {
  strata_hdr h;
  /* Autocast to dtype until the matching exit. Nests. */
  strata_rc (*autocast_enter)(strata_runtime* rt, int32_t dtype);
  strata_rc (*autocast_exit)(strata_runtime* rt);
  /* Batch-norm layers of the SDK take their statistics over all ranks of the group from now on; NULL: alone. */
  strata_rc (*set_batch_norm_sync)(strata_runtime* rt, strata_group* g);
  /* Floating-point inputs of the unit are cast to dtype whenever its forward begins, from now on. Those of unit 0 are
   * the fields of the batch; names: only these, by field name or by position ("0"); n = 0: all. Not before
   * plan_units(). */
  strata_rc (*cast_inputs)(
      strata_runtime* rt, int32_t unit, int32_t dtype, const strata_str* names, uint64_t n);
} strata_autograd_api;

/* --- message hub -------------------------------------------------------------------------------------- */

/* Service "strata.hub/1": scalars with history and named facts, as MMEngine's MessageHub. [main] */
#define STRATA_HUB_API "strata.hub/1"

typedef struct strata_hub_api {
  strata_hdr h;
  strata_rc (*update_scalar)(
      strata_runtime* rt, strata_str key, double value, int64_t count, int32_t resumed);
  strata_rc (*scalar)(strata_runtime* rt, strata_str key, double* current); /* STRATA_E_NOT_FOUND */
  strata_rc (*set_text)(strata_runtime* rt, strata_str key, strata_str value, int32_t resumed);
  strata_rc (*text)(strata_runtime* rt, strata_str key, strata_str* out); /* valid until changed */
  strata_rc (*set_number)(strata_runtime* rt, strata_str key, double value, int32_t resumed);
  strata_rc (*number)(strata_runtime* rt, strata_str key, double* out);
} strata_hub_api;

/* --- the run ------------------------------------------------------------------------------------------ */

enum { STRATA_MODE_TRAIN = 0, STRATA_MODE_VAL = 1, STRATA_MODE_TEST = 2 };

/* Where the run stands. Iterations are micro-batches, steps are optimizer updates. */
typedef struct strata_progress {
  strata_hdr h;
  int64_t epoch;      /* from 0; grows after the after_train_epoch hooks */
  int64_t iter;       /* from 0, over the whole run; grows after the after_train_iter hooks */
  int64_t step;       /* optimizer updates done */
  int64_t max_epochs; /* 0: the run counts iterations */
  int64_t max_iters;
  int64_t epoch_length; /* iterations of one epoch; 0 without a train loader */
  int64_t inner_iter;   /* batch index in the running loop */
  int64_t loop_length;  /* batches of the running loop */
  int32_t mode;         /* STRATA_MODE_* */
  int32_t by_epoch;
} strata_progress;

typedef struct strata_save_args {
  strata_hdr h;
  strata_str out_dir; /* empty: the work_dir */
  strata_str name;    /* "epoch_3" */
  int32_t save_optimizer;
  int32_t save_param_scheduler;
  int32_t update_last; /* 1: last_checkpoint points to it afterwards */
  int32_t wait; /* 1: training goes on when it is on the disk; 0: when its values are copied */
} strata_save_args;

enum { STRATA_AFTER_ITER = 0, STRATA_AFTER_EPOCH = 1, STRATA_AFTER_VAL = 2 };

/* Service "strata.runner/1": what hooks may ask of the run. Collective unless said otherwise. [main] */
#define STRATA_RUNNER_API "strata.runner/1"

typedef struct strata_runner_api {
  strata_hdr h;
  int32_t (*rank)(strata_runtime* rt);
  int32_t (*world_size)(strata_runtime* rt);
  strata_rc (*progress)(strata_runtime* rt, strata_progress* out); /* not collective */
  strata_str (*work_dir)(strata_runtime* rt);                      /* valid for the run */
  strata_str (*log_dir)(strata_runtime* rt);                       /* work_dir/<timestamp> */
  strata_str (*experiment_name)(strata_runtime* rt);               /* "<experiment>_<timestamp>" */
  int64_t (*seed)(strata_runtime* rt);
  /* The learning rate of group 0 (name "lr") or another hyper-parameter; STRATA_E_NOT_FOUND. */
  strata_rc (*hyper)(strata_runtime* rt, strata_str name, double* out);
  /* The lr that schedulers drive, free of multipliers, when there are several groups; STRATA_E_NOT_FOUND. */
  strata_rc (*base_lr)(strata_runtime* rt, double* out);
  /* Tells the running loop's sampler which epoch begins. */
  strata_rc (*set_sampler_epoch)(strata_runtime* rt, int64_t epoch);
  /* Lets the schedulers of this kind (STRATA_AFTER_*) take a step. */
  strata_rc (*scheduler_step)(strata_runtime* rt, int32_t when);
  strata_rc (*save_checkpoint)(strata_runtime* rt, const strata_save_args* args);
  /* Rank 0 removes. After every save asked for before, should one still be due; nothing when there is none. */
  strata_rc (*remove_checkpoint)(strata_runtime* rt, strata_str out_dir, strata_str name);
  strata_rc (*stop_training)(strata_runtime* rt,
                             strata_str reason); /* after this iteration, on all ranks */
  /* The log processor's line and the values behind it, for the iteration or epoch that just ended. */
  strata_rc (*log_after_iter)(strata_runtime* rt,
                              int64_t batch_idx,
                              int32_t mode,
                              const strata_text_sink* line,
                              const strata_number_sink* tags);
  strata_rc (*log_after_epoch)(strata_runtime* rt,
                               int64_t batches,
                               int32_t mode,
                               const strata_text_sink* line,
                               const strata_number_sink* tags);
  /* Appends one line to vis_data/scalars.json (and what other visualizers do). Rank 0 writes. */
  strata_rc (*add_scalars)(
      strata_runtime* rt, const strata_str* names, const double* values, uint64_t n, int64_t step);
  /* Writes the message hub as it is now into a checkpoint saved before; weights and counters stay. */
  strata_rc (*refresh_checkpoint)(strata_runtime* rt, strata_str out_dir, strata_str name);
  /* Copies parts of a checkpoint saved before into one file for others, beside it:
   * "<name>-<first 8 digits of its sha-256>.safetensors". Rank 0 writes; file: receives its path on every rank.
   * keys: "state_dict" (weights and buffers; their averages where a hook keeps "ema"), "ema_state_dict" (the weights
   * that such averages were made from, each name behind "ema_state_dict."), "optimizer" (states, behind "optimizer.");
   * as JSON in the file's metadata "meta" (counters, seed, names, configuration), "message_hub", "param_schedulers". What
   * a checkpoint lacks is left out. Errors: STRATA_E_ARGUMENT for another key, STRATA_E_NOT_FOUND, STRATA_E_IO. */
  strata_rc (*publish_checkpoint)(strata_runtime* rt,
                                  strata_str out_dir,
                                  strata_str name,
                                  const strata_str* keys,
                                  uint64_t n_keys,
                                  const strata_text_sink* file);
} strata_runner_api;

/* --- updates ------------------------------------------------------------------------------------------ */

/* Flags of add_state(). */
enum { STRATA_STATE_BUFFERS = 1 };

/* A stretch of a parameter, or a whole buffer, in this rank's memory. Borrowed until the call returns. */
typedef struct strata_stretch {
  strata_hdr h;
  strata_str name; /* of the parameter or buffer */
  void* data;
  int64_t offset; /* elements into the flattened parameter, as its memory lies */
  int64_t count;
  int32_t param; /* number of the parameter; -1: a buffer */
  int32_t dtype;
} strata_stretch;

typedef struct strata_stretch_sink {
  void* ctx;
  strata_rc (*put)(void* ctx, const strata_stretch* stretch);
} strata_stretch_sink;

/* Service "strata.update/1": what an optim_wrapper's step() is made of. Collective. [main] */
#define STRATA_UPDATE_API "strata.update/1"

typedef struct strata_update_api {
  strata_hdr h;
  /* Multiplies all gradients and tells whether any was inf or NaN before, on any rank. */
  strata_rc (*unscale)(strata_runtime* rt, double factor, int32_t* found_inf);
  /* Norm of all gradients of all ranks together, p >= 1 or infinity. Powers are added by parameter, then by rank, so its
   * last digits depend on how a strategy cuts parameters. */
  strata_rc (*grad_norm)(strata_runtime* rt, double p, double* out);
  strata_rc (*scale_grads)(strata_runtime* rt, double factor);
  strata_rc (*clamp_grads)(strata_runtime* rt, double limit); /* each element to [-limit, limit] */
  /* One optimizer update from the gradients as they are now. */
  strata_rc (*optimizer_step)(strata_runtime* rt);
  /* Keeps one more number for each element that the optimizer updates, zeroed, of the value's dtype, on the rank that
   * has the value; STRATA_STATE_BUFFERS: for each element of persistent floating-point buffers as well. Checkpoints hold
   * it as "<parameter>.<name>", also those without the optimizer's own states, and bring it back on any number of ranks;
   * one that lacks it leaves it as it is. At before_run or before, and before the run's state is brought back, which
   * comes after after_load_checkpoint. Not collective.
   * Errors: STRATA_E_ARGUMENT for a name that a state has already, and in a run that does not train. */
  strata_rc (*add_state)(strata_runtime* rt, strata_str name, uint32_t flags);
  /* This rank's stretches of a state, of the optimizer's or of add_state(), in one order, those of buffers last; empty
   * name: of the values themselves, without buffers. The data may be written to, and is where it is until the next
   * iteration. Not collective. Errors: STRATA_E_NOT_FOUND. */
  strata_rc (*stretches)(strata_runtime* rt, strata_str state, const strata_stretch_sink* out);
  /* Persistent buffers of the model (running statistics), whole, as this rank has them. Not collective. */
  strata_rc (*buffers)(strata_runtime* rt, const strata_stretch_sink* out);
  /* After values were written to outside of optimizer_step: the model computes with them from now on. */
  strata_rc (*values_changed)(strata_runtime* rt);
} strata_update_api;

#ifdef __cplusplus
}
#endif

#endif
