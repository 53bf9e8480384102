// The C functions behind strata_comm_api and strata_stream_api.
#include <cstring>
#include <memory>

#include "border/errors.hpp"
#include "border/runtime.hpp"
#include "comm/world.hpp"

namespace strata::comm {
namespace {

using Api = strata_communicator_api;

int64_t element_bytes(int32_t dtype) {
  switch (dtype) {
    case STRATA_U8:
    case STRATA_I8:
    case STRATA_BOOL:
      return 1;
    case STRATA_F16:
    case STRATA_BF16:
      return 2;
    case STRATA_I32:
    case STRATA_F32:
      return 4;
    case STRATA_I64:
    case STRATA_F64:
      return 8;
    default:
      throw Error(STRATA_E_ARGUMENT, text("dtype ", dtype, " is no element type"));
  }
}

World& world_of(strata_runtime* rt) {
  if (rt == nullptr || rt->comm == nullptr) {
    throw Error(STRATA_E_ARGUMENT,
                "this run has no communication yet: it begins before setup_env()");
  }
  return *rt->comm;
}

// Runs a collective of a group of several ranks and hands out its work; NULL when it is done
// already.
template <class Slot, class... Args>
strata_rc start(strata_group* g, strata_work** out, Slot Api::*slot, Args... args) {
  return border::guarded([&] {
    void* native = nullptr;
    g->communicator->call(slot, g->native, args..., &native);
    std::unique_ptr<strata_work> work;
    if (native != nullptr) {
      work = std::make_unique<strata_work>(strata_work{g, native});
    }
    *out = work.release();
  });
}

// A group of one rank: its only slice is the result.
strata_rc copy_alone(const void* in, void* out, int64_t count, int32_t dtype, strata_work** work) {
  return border::guarded([&] {
    const int64_t bytes = count * element_bytes(dtype);
    if (bytes > 0 && in != out) {
      std::memmove(out, in, static_cast<size_t>(bytes));
    }
    *work = nullptr;
  });
}

strata_rc check_call(const strata_group* g, int64_t count, int32_t dtype) {
  return border::guarded([&] {
    if (count < 0) {
      throw Error(STRATA_E_ARGUMENT,
                  text("group \"", g->name, "\": a collective of ", count, " elements"));
    }
    element_bytes(dtype);
  });
}

strata_group* world(strata_runtime* rt) {
  return rt == nullptr || rt->comm == nullptr ? nullptr : rt->comm->world();
}

strata_rc group_new(strata_runtime* rt, const int32_t* ranks, int32_t n, strata_group** out) {
  return border::guarded([&] { *out = world_of(rt).group_new({ranks, static_cast<size_t>(n)}); });
}

int32_t rank(const strata_group* g) {
  return g->rank;
}

int32_t size(const strata_group* g) {
  return g->size;
}

strata_rc all_reduce(strata_group* g,
                     void* data,
                     int64_t count,
                     int32_t dtype,
                     int32_t op,
                     strata_stream* stream,
                     strata_work** out) {
  if (const strata_rc rc = check_call(g, count, dtype); rc != STRATA_OK) {
    return rc;
  }
  if (g->native == nullptr) {
    return copy_alone(data, data, count, dtype, out);
  }
  g->world->count_bytes(2 * (g->size - 1) * count * element_bytes(dtype) / g->size);
  return start(g, out, &Api::all_reduce, data, count, dtype, op, stream);
}

strata_rc reduce_scatter(strata_group* g,
                         const void* in,
                         void* out,
                         int64_t count,
                         int32_t dtype,
                         int32_t op,
                         strata_stream* stream,
                         strata_work** work) {
  if (const strata_rc rc = check_call(g, count, dtype); rc != STRATA_OK) {
    return rc;
  }
  if (g->native == nullptr) {
    return copy_alone(in, out, count, dtype, work);
  }
  g->world->count_bytes((g->size - 1) * count * element_bytes(dtype));
  return start(g, work, &Api::reduce_scatter, in, out, count, dtype, op, stream);
}

strata_rc all_gather(strata_group* g,
                     const void* in,
                     void* out,
                     int64_t count,
                     int32_t dtype,
                     strata_stream* stream,
                     strata_work** work) {
  if (const strata_rc rc = check_call(g, count, dtype); rc != STRATA_OK) {
    return rc;
  }
  if (g->native == nullptr) {
    return copy_alone(in, out, count, dtype, work);
  }
  g->world->count_bytes((g->size - 1) * count * element_bytes(dtype));
  return start(g, work, &Api::all_gather, in, out, count, dtype, stream);
}

strata_rc broadcast(strata_group* g,
                    void* data,
                    int64_t count,
                    int32_t dtype,
                    int32_t root,
                    strata_stream* stream,
                    strata_work** work) {
  if (const strata_rc rc = check_call(g, count, dtype); rc != STRATA_OK) {
    return rc;
  }
  if (g->native == nullptr) {
    return copy_alone(data, data, count, dtype, work);
  }
  if (g->rank == root) {
    g->world->count_bytes((g->size - 1) * count * element_bytes(dtype));
  }
  return start(g, work, &Api::broadcast, data, count, dtype, root, stream);
}

strata_rc all_to_all(strata_group* g,
                     const void* in,
                     void* out,
                     int64_t count,
                     int32_t dtype,
                     strata_stream* stream,
                     strata_work** work) {
  if (const strata_rc rc = check_call(g, count, dtype); rc != STRATA_OK) {
    return rc;
  }
  if (g->native == nullptr) {
    return copy_alone(in, out, count, dtype, work);
  }
  g->world->count_bytes((g->size - 1) * count * element_bytes(dtype));
  return start(g, work, &Api::all_to_all, in, out, count, dtype, stream);
}

strata_rc barrier(strata_group* g) {
  return border::guarded([&] {
    if (g->native != nullptr) {
      g->communicator->call(&Api::barrier, g->native);
    }
  });
}

strata_rc wait(strata_work* work, strata_stream* stream) {
  const std::unique_ptr<strata_work> owned(work);
  return border::guarded([&] {
    if (owned != nullptr) {
      owned->group->communicator->call(&Api::wait, owned->native, stream);
    }
  });
}

int64_t bytes_sent(strata_runtime* rt) {
  return rt == nullptr || rt->comm == nullptr ? 0 : rt->comm->bytes_sent();
}

strata_stream* compute(strata_runtime*) {
  return nullptr;
}

strata_rc side(strata_runtime*, strata_str, strata_stream** out) {
  *out = nullptr;
  return STRATA_OK;
}

strata_rc stream_wait(strata_stream*, strata_stream*) {
  return STRATA_OK;
}

void* native(strata_stream*) {
  return nullptr;
}

}  // namespace

const strata_comm_api* comm_service() {
  static const strata_comm_api api = {STRATA_HDR(strata_comm_api),
                                      &world,
                                      &group_new,
                                      &rank,
                                      &size,
                                      &all_reduce,
                                      &reduce_scatter,
                                      &all_gather,
                                      &broadcast,
                                      &all_to_all,
                                      &barrier,
                                      &wait,
                                      &bytes_sent};
  return &api;
}

// On a CPU the order of the program is the order of the work.
const strata_stream_api* stream_service() {
  static const strata_stream_api api = {
      STRATA_HDR(strata_stream_api), &compute, &side, &stream_wait, &native};
  return &api;
}

}  // namespace strata::comm
