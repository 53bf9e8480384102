// Owning C++ handles over the host's buffers and collectives, for strategies.
#pragma once

#include <span>
#include <utility>

#include "strata/cpp/dtype.hpp"
#include "strata/cpp/host.hpp"

namespace strata {

/// Memory behind a storage that never changes. Move-only; frees itself.
class STRATA_HIDDEN Buffer {
 public:
  Buffer() = default;

  /// flags: STRATA_BUFFER_*. tag: what the byte account keeps it under.
  Buffer(strata_runtime* rt, int64_t bytes, uint32_t flags, std::string_view tag) {
    check(api().buffer_new(rt, bytes, flags, view(tag), &buffer_));
  }

  Buffer(Buffer&& other) noexcept : buffer_(std::exchange(other.buffer_, nullptr)) {}

  Buffer& operator=(Buffer&& other) noexcept {
    std::swap(buffer_, other.buffer_);
    return *this;
  }

  ~Buffer() {
    if (buffer_ != nullptr) {
      api().buffer_free(buffer_);
    }
  }

  explicit operator bool() const { return buffer_ != nullptr; }

  [[nodiscard]] strata_buffer* c() const { return buffer_; }

  [[nodiscard]] int64_t bytes() const { return api().bytes(buffer_); }

  [[nodiscard]] bool resident() const { return api().is_resident(buffer_) != 0; }

  void make_resident(strata_stream* stream = nullptr) {
    check(api().make_resident(buffer_, stream));
  }

  void evict(strata_stream* stream = nullptr) { check(api().evict(buffer_, stream)); }

  /// The memory, or nullptr when evicted.
  template <class T = std::byte>
  [[nodiscard]] T* data() const {
    return static_cast<T*>(api().data(buffer_));
  }

 private:
  static const strata_memory_api& api() { return service<strata_memory_api>(); }

  strata_buffer* buffer_ = nullptr;
};

/// A collective under way; wait() ends it. Destroying an unwaited one waits for it and drops its error.
class STRATA_HIDDEN Work {
 public:
  Work() = default;

  explicit Work(strata_work* work) : work_(work) {}

  Work(Work&& other) noexcept : work_(std::exchange(other.work_, nullptr)) {}

  Work& operator=(Work&& other) noexcept {
    std::swap(work_, other.work_);
    return *this;
  }

  ~Work() {
    if (work_ != nullptr) {
      service<strata_comm_api>().wait(work_, nullptr);
    }
  }

  explicit operator bool() const { return work_ != nullptr; }

  void wait(strata_stream* stream = nullptr) {
    if (work_ != nullptr) {
      check(service<strata_comm_api>().wait(std::exchange(work_, nullptr), stream));
    }
  }

 private:
  strata_work* work_ = nullptr;
};

/// The ranks of a group. A view: the host owns groups.
class STRATA_HIDDEN Group {
 public:
  Group() = default;

  explicit Group(strata_group* group) : group_(group) {}

  static Group world(strata_runtime* rt) { return Group(api().world(rt)); }

  [[nodiscard]] int32_t rank() const { return api().rank(group_); }

  [[nodiscard]] int32_t size() const { return api().size(group_); }

  [[nodiscard]] strata_group* c() const { return group_; }

  /// In place, each element added in rank order.
  [[nodiscard]] Work all_reduce(void* data,
                                int64_t count,
                                int32_t dtype,
                                int32_t op = STRATA_SUM) const {
    strata_work* work = nullptr;
    check(api().all_reduce(group_, data, count, dtype, op, nullptr, &work));
    return Work(work);
  }

  /// in: size() * count elements, out: count. out may be this rank's slice of in.
  [[nodiscard]] Work reduce_scatter(
      const void* in, void* out, int64_t count, int32_t dtype, int32_t op = STRATA_SUM) const {
    strata_work* work = nullptr;
    check(api().reduce_scatter(group_, in, out, count, dtype, op, nullptr, &work));
    return Work(work);
  }

  /// in: count elements, out: size() * count. in may be this rank's slice of out.
  [[nodiscard]] Work all_gather(const void* in, void* out, int64_t count, int32_t dtype) const {
    strata_work* work = nullptr;
    check(api().all_gather(group_, in, out, count, dtype, nullptr, &work));
    return Work(work);
  }

  [[nodiscard]] Work broadcast(void* data, int64_t count, int32_t dtype, int32_t root) const {
    strata_work* work = nullptr;
    check(api().broadcast(group_, data, count, dtype, root, nullptr, &work));
    return Work(work);
  }

  /// in, out: size() * count elements; slice r of in goes to rank r, slice r of out comes from it.
  [[nodiscard]] Work all_to_all(const void* in, void* out, int64_t count, int32_t dtype) const {
    strata_work* work = nullptr;
    check(api().all_to_all(group_, in, out, count, dtype, nullptr, &work));
    return Work(work);
  }

  void barrier() const { check(api().barrier(group_)); }

 private:
  static const strata_comm_api& api() { return service<strata_comm_api>(); }

  strata_group* group_ = nullptr;
};

}  // namespace strata
