/* What the host offers every plugin: error record, log, configuration; further services are asked for by id. */
#ifndef STRATA_ABI_HOST_H
#define STRATA_ABI_HOST_H

#include "strata/abi/core.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The error record of the calling thread. [any] */
typedef struct strata_error_api {
  strata_hdr h;
  /* Sets the record. where: a place in the user's files, or empty. Texts are copied. */
  void (*set)(strata_rc code, strata_str message, strata_str where);
  /* Adds what was being done when the error passed by. */
  void (*add_context)(strata_str text);
  /* The record as set last on this thread; views are valid until the next set() on it. */
  void (*last)(strata_rc* code, strata_str* message, strata_str* where);
} strata_error_api;

enum { STRATA_LOG_DEBUG = 0, STRATA_LOG_INFO = 1, STRATA_LOG_WARNING = 2, STRATA_LOG_ERROR = 3 };

/* The run's log. INFO is shown from rank 0 only. [any] */
typedef struct strata_log_api {
  strata_hdr h;
  int32_t (*enabled)(strata_runtime* rt, int32_t level);
  void (*write)(strata_runtime* rt, int32_t level, strata_str message);
} strata_log_api;

enum {
  STRATA_NODE_BOOL = 0,
  STRATA_NODE_INT = 1,
  STRATA_NODE_FLOAT = 2,
  STRATA_NODE_TEXT = 3,
  STRATA_NODE_LIST = 4,
  STRATA_NODE_TABLE = 5
};

/* Reads the configuration. A key that create() leaves unread is reported as unknown. [main] */
typedef struct strata_config_api {
  strata_hdr h;
  int32_t (*kind)(const strata_node* node);
  uint64_t (*size)(const strata_node* node); /* entries of a table or list, else 0 */
  /* Entry i of a table or list; key is empty for a list. Does not mark it as read. */
  strata_rc (*entry)(const strata_node* node, uint64_t i, strata_str* key, const strata_node** out);
  /* The value at a dotted path, or *out = NULL when absent. Marks it (not its children) as read. */
  strata_rc (*find)(const strata_node* node, strata_str path, const strata_node** out);
  /* Values; a float of integral value is an integer, an integer is a float. Errors name key and place. */
  strata_rc (*as_bool)(const strata_node* node, int32_t* out);
  strata_rc (*as_int)(const strata_node* node, int64_t* out);
  strata_rc (*as_float)(const strata_node* node, double* out);
  strata_rc (*as_text)(const strata_node* node, strata_str* out); /* valid as long as the node */
  /* "file:line:col" of the value. Valid until the next call on this thread. */
  strata_str (*where)(const strata_node* node);
  void (*mark_read)(const strata_node* node); /* with all its children */
  strata_rc (*to_json)(const strata_node* node, const strata_text_sink* out);
} strata_config_api;

typedef struct strata_host {
  strata_hdr h;
  const strata_error_api* error;
  const strata_log_api* log;
  const strata_config_api* config;
  /* A service's table by id ("strata.memory/1"), or NULL. Lives as long as the process. [any] */
  const void* (*get)(strata_str id);
} strata_host;

#ifdef __cplusplus
}
#endif

#endif
