/* Kind "strategy": decides where parameters, gradients and optimizer state live and what is sent when. */
#ifndef STRATA_ABI_STRATEGY_H
#define STRATA_ABI_STRATEGY_H

#include "strata/abi/services.h"

#ifdef __cplusplus
extern "C" {
#endif

/* --- the model as a strategy sees it ------------------------------------------------------------------ */

enum {
  STRATA_PARAM_TRAINABLE = 1, /* requires a gradient */
  STRATA_PARAM_NO_DECAY_HINT = 2
};

typedef struct strata_param_desc {
  strata_str name; /* full name, as in checkpoints */
  int64_t shape[STRATA_MAX_DIMS];
  int64_t stride[STRATA_MAX_DIMS]; /* in elements, as the model made it */
  int64_t numel;
  int32_t ndim;
  int32_t dtype;
  int32_t unit; /* the unit that owns it */
  /* The optimizer's parameter group, from 0; -1 when frozen. Always 0 in a run that does not train, so whether a parameter
   * is frozen is asked of its flags. */
  int32_t group;
  uint32_t flags; /* STRATA_PARAM_* */
  uint32_t reserved;
} strata_param_desc;

typedef struct strata_unit_desc {
  strata_str name; /* module path; "" for the root */
  strata_str type; /* module's type name */
  int32_t parent;  /* -1 for the root, which is unit 0; parents come before children */
  int32_t reserved;
  const int32_t* params; /* those it owns, in order of declaration */
  uint64_t n_params;
  const int32_t* borrowed; /* owned by another unit, read in this one's forward (a tied head) */
  uint64_t n_borrowed;
} strata_unit_desc;

typedef struct strata_model_desc {
  strata_hdr h;
  const strata_unit_desc* units; /* in order of execution as far as the model tells it */
  uint64_t n_units;
  const strata_param_desc* params;
  uint64_t n_params;
} strata_model_desc;

/* --- what a strategy answers --------------------------------------------------------------------------- */

typedef struct strata_strategy_caps {
  strata_hdr h;
  int32_t owns_storage; /* 1: parameters may be absent between uses, scopes bring them */
  int32_t max_world;    /* 0: any; 1: one rank only */
  /* 0: the host seeds backward with 1 / world_size, so that reductions are plain sums in rank order, equal to one rank
   * that accumulates; 1: the strategy divides. */
  int32_t averages_itself;
  int32_t reserved;
} strata_strategy_caps;

/* Facts of the run, known before the model is built. 0 where there is no train loop. */
typedef struct strata_setup_args {
  strata_hdr h;
  int32_t rank;
  int32_t world_size;
  int32_t local_rank;
  int32_t local_world_size;
  strata_device device;     /* today always a CPU */
  int64_t micro_batch_size; /* samples a rank sees in one iteration */
  int64_t epoch_length;     /* iterations */
  int64_t max_epochs;
  int64_t max_iters;
} strata_setup_args;

enum {
  STRATA_EVENT_PRE_FORWARD = 1,
  STRATA_EVENT_POST_FORWARD = 2,
  STRATA_EVENT_PRE_BACKWARD = 4,
  STRATA_EVENT_POST_BACKWARD = 8,
  STRATA_EVENT_UNIT_GRADS_READY = 16,
  STRATA_EVENT_GRAD_READY = 32, /* per parameter of the unit */
  STRATA_EVENT_ALL = 63
};

/* One per unit. Filled with {self, 0 events} by the host before plan_units(). */
typedef struct strata_unit_plan {
  int32_t owner;   /* the unit (itself or an ancestor) into which this one is joined */
  uint32_t events; /* STRATA_EVENT_*; ignored for a unit that is joined into another */
} strata_unit_plan;

/* A stretch of parameter in a view. Stretches lie in order, without overlap; gaps are padding. */
typedef struct strata_segment {
  int64_t view_offset;  /* elements */
  int64_t param_offset; /* elements into the flattened parameter, as its memory lies */
  int64_t count;
  int32_t param;
  int32_t reserved;
} strata_segment;

/* Memory that the optimizer updates on this rank. Buffers must be resident in optimizer_step. Several views may lie in one
 * buffer, apart from each other. Frozen parameters are left out. A parameter that is in no view of any rank is not updated
 * and not saved with an optimizer state. */
typedef struct strata_optim_view {
  strata_buffer* value;
  strata_buffer* grad;
  int64_t value_offset; /* bytes */
  int64_t grad_offset;
  int64_t numel;
  int32_t value_dtype;
  int32_t grad_dtype;
  const strata_segment* segments;
  uint64_t n_segments;
  /* Ranks whose views hold the other pieces of these parameters, each element once; NULL: this view holds them whole.
   * Norms, and sums that an optimizer asks for, are collectives over it: every rank of the group puts the same number of
   * views with the same groups in the same order, also those in which it holds nothing (n_segments = 0, numel may be 0). */
  strata_group* group;
  /* Where an update writes the values it changes a second time, in the type that forward computes with; NULL: nowhere.
   * Resident in optimizer_step. May be the gradient's memory when it has its type. Padding and parameters that an update
   * leaves alone are not written. */
  strata_buffer* copy;
  int64_t copy_offset; /* bytes */
  int32_t copy_dtype;
  int32_t reserved;
} strata_optim_view;

typedef struct strata_optim_view_sink {
  void* ctx;
  strata_rc (*put)(void* ctx, const strata_optim_view* view); /* copies what it is given */
} strata_optim_view_sink;

/* Bytes of one rank. Handed to estimate() with its header filled and all numbers 0. */
typedef struct strata_estimate {
  strata_hdr h;
  int64_t param_bytes;
  int64_t grad_bytes;
  /* optim_state_per_element numbers for each element of the rank's views: 8 bytes for fp64 values, else 4. */
  int64_t optim_bytes;
  int64_t unit_bytes; /* gathered units at their peak */
  int64_t comm_buffer_bytes;
  int64_t sent_bytes_per_step;
} strata_estimate;

typedef struct strata_estimate_args {
  strata_hdr h;
  const strata_model_desc* model;
  int32_t world_size;
  int32_t optim_state_per_element; /* state numbers the optimizer keeps per element, e.g. 2 */
  int32_t accumulation;            /* micro-batches in a step */
  int32_t
      asynchronous; /* 1: collectives run beside the computation, so buffers are held ahead for them */
} strata_estimate_args;

/* --- events --------------------------------------------------------------------------------------------- */

enum {
  STRATA_CTX_LAST_MICRO =
      1, /* an update follows this backward: gradients must be synchronised in it */
  STRATA_CTX_RECOMPUTE = 2, /* forward inside backward: post_forward must not evict */
  STRATA_CTX_EVAL = 4,      /* no backward will follow */
  STRATA_CTX_ERROR = 8,     /* unwinding from an exception */
  STRATA_CTX_SKIPPED = 16   /* in post_step(): the update was left out */
};

/* An iteration that trains. Unit events come to units that asked for them; when exactly is told at their slots.
 *
 *   iter_begin
 *   forward         pre_forward, post_forward of each unit, nested as units are
 *   backward        pre_backward, grad_ready, unit_grads_ready, post_backward of each unit, last forward first
 *   backward_done
 *   only with STRATA_CTX_LAST_MICRO, so once in an accumulation window:
 *     pre_step
 *     the optim_wrapper: unscale, norm, clip, update; or the update is skipped
 *     post_step
 *     the host zeroes gradients and forgets what was touched
 *   iter_end
 *
 * Gradients of a window's iterations add up in the parameters' gradients. Memory of a view's gradient that no parameter's
 * gradient is bound to is the strategy's own to fill and to zero. An iteration that evaluates: iter_begin, the events of
 * forward with STRATA_CTX_EVAL, iter_end. */

/* The same object for a whole iteration; flags change between calls. */
typedef struct strata_step_ctx {
  strata_hdr h;
  int64_t iter;
  int64_t step;
  int32_t micro;   /* index in the accumulation window */
  int32_t n_micro; /* length of the window */
  uint32_t flags;
  uint32_t reserved;
  strata_stream* stream; /* arguments are ready on it; results must be */
} strata_step_ctx;

/* Receives a configuration that the strategy's own file brings. Keys: "optim_wrapper.optimizer",
 * "param_scheduler", "optim_wrapper.clip_grad", "optim_wrapper.accumulative_counts", and what an optim_wrapper of the
 * same family reads; value: TOML of an inline value. A key that the user's config has as well is an error. */
typedef struct strata_config_sink {
  void* ctx;
  strata_rc (*put)(void* ctx, strata_str key, strata_str toml_value, strata_str where);
  /* As put, for what the file does not insist on: the user's own key wins. */
  strata_rc (*put_default)(void* ctx, strata_str key, strata_str toml_value, strata_str where);
  int32_t world_size;
  int32_t reserved;
  int64_t micro_batch_size; /* samples a rank sees in one iteration; 0 without a train loader */
} strata_config_sink;

#define STRATA_KIND_STRATEGY "strategy"

/* Slots marked * are required, others may be NULL. [main] unless said otherwise. Events of all units come in one
 * order on all ranks as long as their control flow is one. Where it may differ (parameters used on some ranks only)
 * collectives must be started in an order of the strategy's own, not as grad_ready or unit_grads_ready come.
 *
 * A run calls, in order: create, describe, setup_env, estimate (if it trains), plan_units, materialize, materialize_done,
 * optim_views (if it trains), iterations, destroy. The object outlives the model: destroy() frees its buffers and asks
 * nothing about parameters. A dry run and every launch create an object first that is asked for no more than describe and
 * contribute_config. What those two and create refuse ends the program with exit code 2 before a rank starts; a refusal in
 * any later slot ends the run with 1. */
typedef struct strata_strategy_api {
  strata_object_api base;

  strata_rc (*describe)(void* self, strata_strategy_caps* out); /* *; at any time after create */
  strata_rc (*contribute_config)(void* self, const strata_config_sink* out);
  /* For `strata estimate`, and for the log of a run that trains; allocates nothing, communicates nothing, may be called
   * without setup_env. NULL or STRATA_E_UNSUPPORTED: there is no estimate. Any other error is the strategy's row in
   * `strata estimate`, and ends a run. */
  strata_rc (*estimate)(void* self, const strata_estimate_args* args, strata_estimate* out);

  /* Before the model is built, in every run. Groups may be made here. */
  strata_rc (*setup_env)(void* self, const strata_setup_args* args);
  /* Model known, nothing allocated. plan: one entry per unit. The description stays valid for the run. */
  strata_rc (*plan_units)(void* self,
                          const strata_model_desc* model,
                          strata_unit_plan* plan); /* * */
  /* Per unit that is not joined into another, in order: makes buffers, binds all parameters of the unit and of
   * those joined into it, lets the host fill them (init_unit for each), keeps what is this rank's. */
  strata_rc (*materialize)(void* self, int32_t unit); /* * */
  strata_rc (*materialize_done)(void* self);          /* after the last; buckets across units */
  strata_rc (*optim_views)(void* self,
                           const strata_optim_view_sink* out); /* *; after materialize_done */

  strata_rc (*iter_begin)(void* self, const strata_step_ctx* ctx);
  strata_rc (*pre_forward)(void* self, int32_t unit, const strata_step_ctx* ctx);
  strata_rc (*post_forward)(void* self, int32_t unit, const strata_step_ctx* ctx);
  strata_rc (*pre_backward)(void* self, int32_t unit, const strata_step_ctx* ctx); /* [autograd] */
  strata_rc (*post_backward)(void* self,
                             int32_t unit,
                             const strata_step_ctx* ctx); /* [autograd]; parameters may go */
  /* [autograd]; all gradients that pass `pass` of this iteration gives the unit have been added. A unit has several
   * passes when parts of it are recomputed apart: a reduction must add. Not for units without trainable
   * parameters. */
  strata_rc (*unit_grads_ready)(void* self, int32_t unit, int32_t pass, const strata_step_ctx* ctx);
  strata_rc (*grad_ready)(void* self, int32_t param, const strata_step_ctx* ctx); /* [autograd] */
  strata_rc (*backward_done)(void* self, const strata_step_ctx* ctx); /* all units swept */
  strata_rc (*iter_end)(void* self, const strata_step_ctx* ctx);
  /* After an error anywhere between iter_begin and iter_end: waits for its works, drops residency, counters, recorded
   * order and sums of gradients in memory of its own. The host then drops all other gradients, those of the window's
   * earlier iterations too, and what was touched; the next iteration runs as if the window had not begun. Nobody hears
   * of an error: an exception that leaves it ends the process. */
  void (*abort_iter)(void* self, const strata_step_ctx* ctx);

  strata_rc (*pre_step)(void* self,
                        const strata_step_ctx* ctx); /* before unscale, norm and update */
  strata_rc (*post_step)(void* self,
                         const strata_step_ctx* ctx); /* after it, also when it was skipped */
  /* NULL or STRATA_E_UNSUPPORTED: the host computes it from the optim views and their groups. */
  strata_rc (*grad_norm)(void* self, double p, double* out);

  /* Between enter and exit all parameters of the units are resident with full values; writeback = 1: what was written is
   * kept, and every rank has written the same. Collective. Not called where owns_storage is 0: values are there. */
  strata_rc (*scope_enter)(void* self, const int32_t* units, uint64_t n, int32_t writeback);
  strata_rc (*scope_exit)(void* self, const int32_t* units, uint64_t n, int32_t writeback);

  /* State beyond parameters, optimizer state and counters, which the host saves itself: JSON text. */
  strata_rc (*save)(void* self, const strata_text_sink* out);
  strata_rc (*load)(void* self, strata_str json);
  /* What it counts, since the start or as of now; rank 0's are in each line of scalars.json. */
  strata_rc (*stats)(void* self, const strata_number_sink* out);
  /* The values of the optimizer views were written to between steps: brings them to what forward computes with, as
   * after an update. NULL: there is nothing to do. Collective. */
  strata_rc (*values_changed)(void* self);
} strata_strategy_api;

#ifdef __cplusplus
}
#endif

#endif
