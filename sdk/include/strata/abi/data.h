/* Kinds "dataset", "transform", "sampler" and "metric". */
#ifndef STRATA_ABI_DATA_H
#define STRATA_ABI_DATA_H

#include "strata/abi/services.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One sample under construction: named dense arrays. Owned by a data worker, reused for the next sample. */
typedef struct strata_sample strata_sample;

typedef struct strata_array {
  void*
      data; /* dense, row-major, 64-byte aligned; valid until the field is made anew or the sample is reused */
  int64_t shape[STRATA_MAX_DIMS];
  int32_t ndim;
  int32_t dtype;
} strata_array;

/* Service "strata.sample/1". [worker] */
#define STRATA_SAMPLE_API "strata.sample/1"

typedef struct strata_sample_api {
  strata_hdr h;
  /* Makes a field, or makes an existing one anew: its old memory stays readable until the next make of that
   * field, so a transform may read the old and write the new. */
  strata_rc (*make)(strata_sample* s,
                    strata_str name,
                    int32_t dtype,
                    int32_t ndim,
                    const int64_t* shape,
                    strata_array* out);
  strata_rc (*get)(strata_sample* s, strata_str name, strata_array* out); /* STRATA_E_NOT_FOUND */
  /* The next number of the sample's own random stream, drawn from (seed, epoch, index) alone: uniform 64 bits. */
  uint64_t (*random)(strata_sample* s);
} strata_sample_api;

#define STRATA_KIND_DATASET "dataset"

typedef struct strata_dataset_api {
  strata_object_api base;
  /* Checks that the data is there and whole, reads nothing large. STRATA_E_CONFIG when it is not. * */
  strata_rc (*open)(void* self);
  strata_rc (*size)(void* self, int64_t* out);                     /* *; after open */
  strata_rc (*get)(void* self, int64_t index, strata_sample* out); /* *; [worker], concurrent */
  strata_rc (*meta)(void* self, const strata_text_sink* json);     /* classes, … */
} strata_dataset_api;

#define STRATA_KIND_TRANSFORM "transform"

typedef struct strata_transform_api {
  strata_object_api base;
  strata_rc (*apply)(void* self, strata_sample* sample); /* *; [worker], concurrent */
} strata_transform_api;

#define STRATA_KIND_SAMPLER "sampler"

typedef struct strata_sampler_args {
  strata_hdr h;
  int64_t dataset_size;
  int64_t seed;
  int32_t rank;
  int32_t world_size;
  int64_t batch_size;
  int32_t drop_last;
  int32_t reserved;
} strata_sampler_args;

typedef struct strata_sampler_api {
  strata_object_api base;
  strata_rc (*begin)(void* self, const strata_sampler_args* args); /* *; once */
  /* Samples of this rank in one pass; INT64_MAX: endless. * */
  strata_rc (*length)(void* self, int64_t* out);
  strata_rc (*set_epoch)(void* self, int64_t epoch); /* * */
  /* Indices of positions [from, from + n) of this rank's pass over the epoch. padding[i] = 1: a repeat that only
   * evens out the ranks, to be left out of metrics. A function of (seed, epoch, position), so that a resumed run asks for
   * any position. * */
  strata_rc (*indices)(void* self, int64_t from, int64_t n, int64_t* out, uint8_t* padding);
} strata_sampler_api;

#define STRATA_KIND_METRIC "metric"

typedef struct strata_metric_batch {
  strata_hdr h;
  const strata_named_tensor* batch; /* the loader's fields */
  uint64_t n_batch;
  const strata_named_tensor* outputs; /* the model's, mode PREDICT */
  uint64_t n_outputs;
  int64_t valid; /* leading samples that count; the rest is padding */
} strata_metric_batch;

typedef struct strata_metric_api {
  strata_object_api base;
  strata_rc (*reset)(void* self);                                     /* * */
  strata_rc (*process)(void* self, const strata_metric_batch* batch); /* * */
  /* Numbers that the host sums over ranks (exactly: counts in float64), in a fixed order. * */
  strata_rc (*state)(void* self, const strata_number_sink* out);
  /* The metrics from the summed state, same order and names as state() gave. * */
  strata_rc (*compute)(void* self, const double* summed, uint64_t n, const strata_number_sink* out);
} strata_metric_api;

#ifdef __cplusplus
}
#endif

#endif
