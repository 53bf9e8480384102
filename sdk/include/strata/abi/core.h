/* Core types of the plugin border: text views, status codes, the entry symbol, create arguments.
 *
 * Rules that hold for every table of this folder:
 *  - fixed-width integers, pointers with counts, C functions; no bool, enum-typed field, bitfield or
 *    union crosses. Every table begins with strata_hdr and grows only at its end.
 *  - a function returns 0 (STRATA_OK) or a code; before a code other than 0 the callee sets the error record
 *    of the thread (strata_error_api). Outputs are untouched on failure. destroy() cannot fail.
 *  - text and arrays passed in are borrowed until the call returns unless a comment says otherwise.
 *  - threads: [main] the rank's trainer thread; [autograd] the thread that runs backward (the trainer
 *    thread on a CPU); [worker] a data worker; [any] any thread at any time.
 */
#ifndef STRATA_ABI_CORE_H
#define STRATA_ABI_CORE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define STRATA_ABI_MAJOR 0
#define STRATA_ABI_MINOR 4

/* Size, version and flags of a table. Filled by STRATA_HDR, never by hand. */
typedef struct strata_hdr {
  uint32_t struct_size;
  uint16_t abi_major;
  uint16_t abi_minor;
  uint64_t flags; /* zero */
} strata_hdr;

#define STRATA_HDR(type) {(uint32_t)sizeof(type), STRATA_ABI_MAJOR, STRATA_ABI_MINOR, 0}

/* UTF-8 text, not zero-terminated. p may be NULL when n is 0. */
typedef struct strata_str {
  const char* p;
  uint64_t n;
} strata_str;

typedef int32_t strata_rc;

/* Status codes. Open set: treat an unknown code as STRATA_E_FAILED. */
enum {
  STRATA_OK = 0,
  STRATA_E_FAILED = 1,      /* failed while running */
  STRATA_E_CONFIG = 2,      /* the user's configuration is refused */
  STRATA_E_ARGUMENT = 3,    /* the caller broke the contract of the function */
  STRATA_E_UNSUPPORTED = 4, /* an empty slot, or a combination that cannot work */
  STRATA_E_NOT_FOUND = 5,
  STRATA_E_IO = 6,
  STRATA_E_COMM = 7, /* a peer is gone or out of step; the communicator is unusable afterwards */
  STRATA_E_TORCH = 8,
  STRATA_E_STOPPED = 9 /* the run was asked to stop */
};

/* Element types. Values are fixed for ever. */
enum {
  STRATA_U8 = 0,
  STRATA_I8 = 1,
  STRATA_I32 = 3,
  STRATA_I64 = 4,
  STRATA_F16 = 5,
  STRATA_F32 = 6,
  STRATA_F64 = 7,
  STRATA_BOOL = 11,
  STRATA_BF16 = 15
};

/* Devices. */
enum { STRATA_CPU = 0, STRATA_CUDA = 1 };

typedef struct strata_device {
  int32_t type; /* STRATA_CPU, STRATA_CUDA */
  int32_t index;
} strata_device;

/* A device's queue of work. NULL on a CPU: work is done when the call returns. */
typedef struct strata_stream strata_stream;

/* One runner on one rank. Handed to create(); every per-rank host service takes it first. [any] */
typedef struct strata_runtime strata_runtime;

/* A table or value of the resolved configuration. Owned by the host, valid until the object is destroyed. */
typedef struct strata_node strata_node;

/* Receives text, possibly in several pieces. Owned by the caller of the function that fills it. */
typedef struct strata_text_sink {
  void* ctx;
  strata_rc (*put)(void* ctx, strata_str piece);
} strata_text_sink;

/* Receives named numbers. */
typedef struct strata_number_sink {
  void* ctx;
  strata_rc (*put)(void* ctx, strata_str name, double value);
} strata_number_sink;

/* What every plugin object is: an instance and its kind's table, which begins with strata_object_api. */
typedef struct strata_object {
  void* self;
  const void* vtbl;
} strata_object;

/* The first members of every kind's table. */
typedef struct strata_object_api {
  strata_hdr h;
  void (*destroy)(void* self); /* [main] once, last */
  /* A capability beyond the kind's table, or NULL. The returned table lives as long as the plugin. */
  const void* (*get_extension)(void* self, strata_str id);
} strata_object_api;

/* One configuration key of a type. */
enum {
  STRATA_FIELD_BOOL = 0,
  STRATA_FIELD_INT = 1,
  STRATA_FIELD_FLOAT = 2,
  STRATA_FIELD_TEXT = 3,
  STRATA_FIELD_INT_LIST = 4,
  STRATA_FIELD_FLOAT_LIST = 5,
  STRATA_FIELD_TEXT_LIST = 6,
  STRATA_FIELD_NODE = 7 /* any value; the plugin reads and checks it itself */
};

typedef struct strata_field {
  strata_str name;
  strata_str doc;
  strata_str default_text; /* as it would be written in TOML; empty: no default */
  strata_str allowed;      /* "a|b|c" or a range "[0, 1]", "(0, inf)"; empty: anything */
  int32_t kind;            /* STRATA_FIELD_* */
  int32_t required;        /* 1: must be given */
} strata_field;

typedef struct strata_type_desc {
  strata_hdr h;
  strata_str name; /* as in `type = "…"` */
  strata_str kind; /* "strategy", "hook", … */
  strata_str doc;
  const strata_field* fields;
  uint64_t n_fields;
} strata_type_desc;

typedef struct strata_create_args {
  strata_hdr h;
  strata_str type;
  const strata_node* config; /* the table that names the type */
  strata_runtime* runtime;   /* kept by the object; usable for services after create() returned */
} strata_create_args;

struct strata_host; /* strata/abi/host.h */

/* The plugin's face. One const object of static life in each plugin. */
typedef struct strata_plugin {
  strata_hdr h;
  /* Called once per loading process before anything else; repeatable. [main] */
  strata_rc (*init)(const struct strata_host* host);
  void (*deinit)(void);
  uint32_t (*type_count)(void);
  /* Fills *out with views of static data. */
  strata_rc (*type_desc)(uint32_t index, strata_type_desc* out);
  /* Reads and checks its configuration, allocates nothing large, calls no service but error, log, config. [main] */
  strata_rc (*create)(const strata_create_args* args, strata_object* out);
  const void* (*get_extension)(strata_str id);
} strata_plugin;

/* The only symbol a plugin exports. */
#define STRATA_PLUGIN_ENTRY "strata_plugin_entry_v0"
typedef const strata_plugin* (*strata_plugin_entry_fn)(void);

#ifdef __cplusplus
}
#endif

#endif
