// Base classes of communicators.
#pragma once

#include <memory>
#include <string>

#include "strata/abi/communicator.h"
#include "strata/cpp/plugin.hpp"

namespace strata {

/// A collective under way.
class STRATA_HIDDEN CommWork {
 public:
  virtual ~CommWork() = default;
  /// Errors: STRATA_E_COMM.
  virtual void wait() = 0;
};

/// Ranks that communicate. Collectives may return nullptr: done already. Contracts: strata_comm_api.
class STRATA_HIDDEN CommGroup {
 public:
  using Pending = std::unique_ptr<CommWork>;

  virtual ~CommGroup() = default;
  virtual Pending all_reduce(void* data, int64_t count, int32_t dtype, int32_t op) = 0;
  virtual Pending reduce_scatter(
      const void* in, void* out, int64_t count, int32_t dtype, int32_t op) = 0;
  virtual Pending all_gather(const void* in, void* out, int64_t count, int32_t dtype) = 0;
  virtual Pending broadcast(void* data, int64_t count, int32_t dtype, int32_t root) = 0;
  virtual Pending all_to_all(const void* in, void* out, int64_t count, int32_t dtype) = 0;
  virtual void barrier() = 0;
  /// [any]
  virtual void abort(std::string_view reason) noexcept = 0;
};

class STRATA_HIDDEN Communicator : public Component {
 public:
  using KindBase = Communicator;

  [[nodiscard]] virtual strata_communicator_caps describe() const = 0;
  virtual std::unique_ptr<CommGroup> group_new(const strata_group_args& args) = 0;
};

namespace detail {

struct STRATA_HIDDEN CommunicatorThunks {
  static CommGroup& group(void* g) { return *static_cast<CommGroup*>(g); }

  static void give(void** out, CommGroup::Pending work) { *out = work.release(); }

  static strata_rc describe(void* p, strata_communicator_caps* out) {
    return guarded([&] { *out = static_cast<Communicator*>(p)->describe(); });
  }

  static strata_rc group_new(void* p, const strata_group_args* args, void** out) {
    return guarded([&] { *out = static_cast<Communicator*>(p)->group_new(*args).release(); });
  }

  static void group_free(void*, void* g) { delete static_cast<CommGroup*>(g); }

  static strata_rc all_reduce(void*,
                              void* g,
                              void* data,
                              int64_t count,
                              int32_t dtype,
                              int32_t op,
                              strata_stream*,
                              void** work) {
    return guarded([&] { give(work, group(g).all_reduce(data, count, dtype, op)); });
  }

  // NOLINTNEXTLINE(readability-function-size): nine parameters, by the border's table
  static strata_rc reduce_scatter(void*,
                                  void* g,
                                  const void* in,
                                  void* out,
                                  int64_t count,
                                  int32_t dtype,
                                  int32_t op,
                                  strata_stream*,
                                  void** work) {
    return guarded([&] { give(work, group(g).reduce_scatter(in, out, count, dtype, op)); });
  }

  static strata_rc all_gather(void*,
                              void* g,
                              const void* in,
                              void* out,
                              int64_t count,
                              int32_t dtype,
                              strata_stream*,
                              void** work) {
    return guarded([&] { give(work, group(g).all_gather(in, out, count, dtype)); });
  }

  static strata_rc broadcast(void*,
                             void* g,
                             void* data,
                             int64_t count,
                             int32_t dtype,
                             int32_t root,
                             strata_stream*,
                             void** work) {
    return guarded([&] { give(work, group(g).broadcast(data, count, dtype, root)); });
  }

  static strata_rc all_to_all(void*,
                              void* g,
                              const void* in,
                              void* out,
                              int64_t count,
                              int32_t dtype,
                              strata_stream*,
                              void** work) {
    return guarded([&] { give(work, group(g).all_to_all(in, out, count, dtype)); });
  }

  static strata_rc barrier(void*, void* g) {
    return guarded([&] { group(g).barrier(); });
  }

  static strata_rc wait(void*, void* work, strata_stream*) {
    const std::unique_ptr<CommWork> owned(static_cast<CommWork*>(work));
    return guarded([&] {
      if (owned != nullptr) {
        owned->wait();
      }
    });
  }

  static void abort(void*, void* g, strata_str reason) { group(g).abort(view(reason)); }
};

template <>
struct KindOf<Communicator> {
  static constexpr const char* kName = STRATA_KIND_COMMUNICATOR;

  static const void* table() {
    using T = CommunicatorThunks;
    static const strata_communicator_api api = {
        ObjectThunks<Communicator>::head<strata_communicator_api>(),
        &T::describe,
        &T::group_new,
        &T::group_free,
        &T::all_reduce,
        &T::reduce_scatter,
        &T::all_gather,
        &T::broadcast,
        &T::all_to_all,
        &T::barrier,
        &T::wait,
        &T::abort};
    return &api;
  }
};

}  // namespace detail
}  // namespace strata
