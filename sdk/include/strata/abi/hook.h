/* Kind "hook": runs at the points of a run. */
#ifndef STRATA_ABI_HOOK_H
#define STRATA_ABI_HOOK_H

#include "strata/abi/services.h"

#ifdef __cplusplus
extern "C" {
#endif

#define STRATA_KIND_HOOK "hook"

/* Points, in the order of a run. Open set: new ones are added at the end. */
enum {
  STRATA_POINT_BEFORE_RUN = 0,
  STRATA_POINT_AFTER_LOAD_CHECKPOINT = 1,
  STRATA_POINT_BEFORE_TRAIN = 2,
  STRATA_POINT_BEFORE_TRAIN_EPOCH = 3,
  STRATA_POINT_BEFORE_TRAIN_ITER = 4,
  STRATA_POINT_AFTER_TRAIN_ITER = 5,
  STRATA_POINT_AFTER_TRAIN_EPOCH = 6,
  STRATA_POINT_BEFORE_VAL = 7,
  STRATA_POINT_BEFORE_VAL_EPOCH = 8,
  STRATA_POINT_BEFORE_VAL_ITER = 9,
  STRATA_POINT_AFTER_VAL_ITER = 10,
  STRATA_POINT_AFTER_VAL_EPOCH = 11,
  STRATA_POINT_AFTER_VAL = 12,
  STRATA_POINT_BEFORE_SAVE_CHECKPOINT = 13,
  STRATA_POINT_AFTER_TRAIN = 14,
  STRATA_POINT_BEFORE_TEST = 15,
  STRATA_POINT_BEFORE_TEST_EPOCH = 16,
  STRATA_POINT_BEFORE_TEST_ITER = 17,
  STRATA_POINT_AFTER_TEST_ITER = 18,
  STRATA_POINT_AFTER_TEST_EPOCH = 19,
  STRATA_POINT_AFTER_TEST = 20,
  STRATA_POINT_AFTER_RUN = 21,
  STRATA_POINT_COUNT = 22
};

typedef struct strata_named_number {
  strata_str name;
  double value;
} strata_named_number;

/* What a point hands over. Borrowed until the call returns. */
typedef struct strata_hook_ctx {
  strata_hdr h;
  int64_t
      batch_idx; /* iter points: in-epoch index (epoch loop) or global iteration (iteration loop); else -1 */
  int64_t batch_size; /* samples of this rank's batch; else 0 */
  const strata_named_number*
      numbers; /* after_*_iter: log values of this rank; after_*_epoch of val and test: metrics */
  uint64_t n_numbers;
  const strata_named_tensor* batch; /* iter points */
  uint64_t n_batch;
  strata_str checkpoint; /* save and load points: path */
} strata_hook_ctx;

typedef struct strata_hook_desc {
  strata_hdr h;
  uint64_t points;  /* bit 1 << STRATA_POINT_* for each that on() wants */
  int32_t priority; /* 0 first … 100 last; MMEngine's NORMAL is 50 */
  int32_t reserved;
} strata_hook_desc;

typedef struct strata_hook_api {
  strata_object_api base;
  strata_rc (*describe)(void* self, strata_hook_desc* out); /* * */
  /* *; a code other than 0 ends the run. [main] */
  strata_rc (*on)(void* self, int32_t point, const strata_hook_ctx* ctx);
  strata_rc (*save)(void* self, const strata_text_sink* out); /* JSON, into the checkpoint */
  strata_rc (*load)(void* self, strata_str json);
} strata_hook_api;

/* Extension of a hook, by get_extension(): its state (strata_update_api.add_state) whose stored values stand for the
 * weights when a checkpoint is loaded without being resumed, where it has them. Asked before the model is built. [main] */
#define STRATA_EXT_HOOK_WEIGHTS "strata.hook_weights/1"

typedef struct strata_hook_weights_api {
  strata_hdr h;
  strata_str (*state)(void* self); /* *; empty: the weights; valid as long as the object */
} strata_hook_weights_api;

#ifdef __cplusplus
}
#endif

#endif
