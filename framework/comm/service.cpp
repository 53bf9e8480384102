// The C functions behind strata_comm_api and strata_stream_api.
#include <cstring>
#include <memory>

#include "strata/cpp/dtype.hpp"

#include "border/errors.hpp"
#include "border/runtime.hpp"
#include "comm/world.hpp"

namespace strata::comm {
namespace {

using Api = strata_communicator_api;

World& world_of(strata_runtime* rt) {
  if (rt == nullptr || rt->comm == nullptr) {
    throw Error(STRATA_E_ARGUMENT,
                "this run has no communication yet: it begins before setup_env()");
  }
  return *rt->comm;
}

/// A collective as it is asked for.
struct Call {
  strata_group* group;
  const void* in;
  void* out;
  int64_t count;
  int32_t dtype;
  strata_work** work;
};

// What a rank sends of a call's bytes: times / over of them.
struct Share {
  int64_t times;
  int64_t over = 1;
};

int64_t bytes_of(const Call& call) {
  if (call.count < 0) {
    throw Error(
        STRATA_E_ARGUMENT,
        text("group \"", call.group->name, "\": a collective of ", call.count, " elements"));
  }
  return call.count * size_of(call.dtype);
}

// Nothing when the communicator has done it already.
template <class Slot, class... Args>
std::unique_ptr<strata_work> begin(strata_group& g, Slot Api::* slot, Args... args) {
  void* native = nullptr;
  g.communicator->call(slot, g.native, args..., &native);
  return native == nullptr ? nullptr : std::make_unique<strata_work>(strata_work{&g, native});
}

// Checks the call, counts its bytes and hands out its work: NULL when it is done already, as in a group of one rank,
// whose only slice is the result.
template <class Slot, class... Args>
strata_rc start(const Call& call, Share sent, Slot Api::* slot, Args... args) {
  return border::guarded([&] {
    strata_group& g = *call.group;
    const int64_t bytes = bytes_of(call);
    std::unique_ptr<strata_work> work;
    if (g.native != nullptr) {
      g.world->count_bytes(sent.times * bytes / sent.over);
      work = begin(g, slot, args...);
    } else if (bytes > 0 && call.in != call.out) {
      std::memmove(call.out, call.in, static_cast<size_t>(bytes));
    }
    *call.work = work.release();
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
                     strata_work** work) {
  return start({g, data, data, count, dtype, work},
               {int64_t{2} * (g->size - 1), g->size},
               &Api::all_reduce,
               data,
               count,
               dtype,
               op,
               stream);
}

strata_rc reduce_scatter(strata_group* g,
                         const void* in,
                         void* out,
                         int64_t count,
                         int32_t dtype,
                         int32_t op,
                         strata_stream* stream,
                         strata_work** work) {
  return start({g, in, out, count, dtype, work},
               {g->size - 1},
               &Api::reduce_scatter,
               in,
               out,
               count,
               dtype,
               op,
               stream);
}

strata_rc all_gather(strata_group* g,
                     const void* in,
                     void* out,
                     int64_t count,
                     int32_t dtype,
                     strata_stream* stream,
                     strata_work** work) {
  return start({g, in, out, count, dtype, work},
               {g->size - 1},
               &Api::all_gather,
               in,
               out,
               count,
               dtype,
               stream);
}

strata_rc broadcast(strata_group* g,
                    void* data,
                    int64_t count,
                    int32_t dtype,
                    int32_t root,
                    strata_stream* stream,
                    strata_work** work) {
  return start({g, data, data, count, dtype, work},
               {g->rank == root ? g->size - 1 : 0},
               &Api::broadcast,
               data,
               count,
               dtype,
               root,
               stream);
}

strata_rc all_to_all(strata_group* g,
                     const void* in,
                     void* out,
                     int64_t count,
                     int32_t dtype,
                     strata_stream* stream,
                     strata_work** work) {
  return start({g, in, out, count, dtype, work},
               {g->size - 1},
               &Api::all_to_all,
               in,
               out,
               count,
               dtype,
               stream);
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
