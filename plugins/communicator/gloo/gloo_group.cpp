// Collectives in rank order over Gloo's exchanges.
#include "gloo_group.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>
#include <vector>

#include <ATen/ops/empty.h>
#include <c10/util/Exception.h>

#include "strata/cpp/dtype.hpp"
#include "strata/kit/reduce.hpp"

namespace gloo_backend {
namespace {

using std::chrono::milliseconds;
using strata::size_of;
using strata::kit::Call;

constexpr int64_t kPieceBytes = 8 << 20;  // of one exchange, all slices together
constexpr milliseconds kLook{200};        // between looks for an abort
constexpr const char* kAbortKey = "abort";

int64_t pieces_of(int64_t count, int64_t piece) {
  return std::max<int64_t>(1, (count + piece - 1) / piece);
}

void copy_bytes(void* to, const void* from, int64_t bytes) {
  if (bytes > 0) {
    std::memcpy(to, from, static_cast<size_t>(bytes));
  }
}

// LibTorch appends the stack to its messages.
std::string reason_of(const std::exception& e) {
  const auto* error = dynamic_cast<const c10::Error*>(&e);
  return error != nullptr ? error->what_without_backtrace() : e.what();
}

// The interface: loopback among ranks of one machine, else what the user names, else what Gloo
// finds.
std::shared_ptr<gloo::transport::Device> make_device(const strata_group_args& args) {
  using Group = c10d::ProcessGroupGloo;
  if (args.same_host != 0) {
    return Group::createDeviceForHostname("127.0.0.1");
  }
  const char* interface =
      std::getenv("GLOO_SOCKET_IFNAME");  // NOLINT(concurrency-mt-unsafe): read at start
  return interface != nullptr ? Group::createDeviceForInterface(interface)
                              : Group::createDefaultDevice();
}

}  // namespace

GlooGroup::GlooGroup(const strata_group_args& args, bool check_calls)
    : name_(strata::view(args.name)),
      rank_(args.rank),
      size_(args.size),
      check_calls_(check_calls) {
  const milliseconds timeout(args.timeout_ms);
  store_ = c10::make_intrusive<HostStore>(args.store, "strata/gloo/" + name_ + "/", timeout);
  try {
    auto options = c10d::ProcessGroupGloo::Options::create(timeout);
    options->devices.push_back(make_device(args));
    group_ = c10::make_intrusive<c10d::ProcessGroupGloo>(store_, rank_, size_, options);
  } catch (const std::exception& e) {
    fail(reason_of(e));
  }
}

GlooGroup::~GlooGroup() = default;

void GlooGroup::begin(int32_t kind, int64_t count, int32_t dtype, int32_t detail) {
  if (count < 0) {
    throw strata::Error(
        STRATA_E_ARGUMENT,
        strata::text("group \"", name_, "\": a collective of ", count, " elements"));
  }
  static_cast<void>(size_of(dtype));
  call_ = {count, kind, dtype, detail, call_.sequence + 1};
  throw_if_aborted();
  if (check_calls_ && size_ > 1) {
    compare_calls();
  }
}

void GlooGroup::compare_calls() {
  reserve(static_cast<int64_t>(sizeof(Call)) * size_);
  copy_bytes(send_at(0), &call_, sizeof(Call));
  collect(sizeof(Call));
  for (int peer = 0; peer < size_; ++peer) {
    Call theirs;
    copy_bytes(&theirs, recv_at(peer * static_cast<int64_t>(sizeof(Call))), sizeof(Call));
    if (theirs != call_) {
      fail(strata::kit::describe_mismatch(rank_, call_, peer, theirs));
    }
  }
}

GlooGroup::Pending GlooGroup::all_reduce(void* data, int64_t count, int32_t dtype, int32_t op) {
  begin(strata::kit::kAllReduce, count, dtype, op);
  const int64_t element = size_of(dtype);
  const int64_t piece = kPieceBytes / element;
  auto* bytes = static_cast<std::byte*>(data);
  for (int64_t index = 0; size_ > 1 && index < pieces_of(count, piece); ++index) {
    const int64_t n = std::min(piece, count - index * piece);
    const int64_t slice = (n + size_ - 1) / size_;
    std::byte* const at = bytes + index * piece * element;
    reserve(slice * element * size_);
    copy_bytes(send_at(0),
               at,
               n * element);  // the last slices may be short: what follows them is never read
    exchange(slice * element);
    reduce_slices(send_at(0), slice * element, slice, op);
    collect(slice * element);
    copy_bytes(at, recv_at(0), n * element);
  }
  return nullptr;
}

GlooGroup::Pending GlooGroup::reduce_scatter(
    const void* in, void* out, int64_t count, int32_t dtype, int32_t op) {
  begin(strata::kit::kReduceScatter, count, dtype, op);
  const int64_t element = size_of(dtype);
  const int64_t piece = std::max<int64_t>(1, kPieceBytes / element / size_);
  const auto* source = static_cast<const std::byte*>(in);
  for (int64_t index = 0; index < pieces_of(count, piece); ++index) {
    const int64_t first = index * piece;
    const int64_t n = std::min(piece, count - first);
    reserve(n * element * size_);
    for (int rank = 0; rank < size_; ++rank) {
      copy_bytes(
          send_at(rank * n * element), source + (rank * count + first) * element, n * element);
    }
    exchange(n * element);
    reduce_slices(static_cast<std::byte*>(out) + first * element, n * element, n, op);
  }
  return nullptr;
}

GlooGroup::Pending GlooGroup::all_gather(const void* in, void* out, int64_t count, int32_t dtype) {
  begin(strata::kit::kAllGather, count, dtype, 0);
  const int64_t element = size_of(dtype);
  const int64_t piece = std::max<int64_t>(1, kPieceBytes / element / size_);
  auto* target = static_cast<std::byte*>(out);
  for (int64_t index = 0; index < pieces_of(count, piece); ++index) {
    const int64_t first = index * piece;
    const int64_t n = std::min(piece, count - first);
    reserve(n * element * size_);
    copy_bytes(send_at(0), static_cast<const std::byte*>(in) + first * element, n * element);
    collect(n * element);
    for (int rank = 0; rank < size_; ++rank) {
      copy_bytes(
          target + (rank * count + first) * element, recv_at(rank * n * element), n * element);
    }
  }
  return nullptr;
}

GlooGroup::Pending GlooGroup::broadcast(void* data, int64_t count, int32_t dtype, int32_t root) {
  if (root < 0 || root >= size_) {
    throw strata::Error(
        STRATA_E_ARGUMENT,
        strata::text("group \"", name_, "\": broadcast from rank ", root, " of ", size_));
  }
  begin(strata::kit::kBroadcast, count, dtype, root);
  const int64_t element = size_of(dtype);
  const int64_t piece = kPieceBytes / element;
  auto* bytes = static_cast<std::byte*>(data);
  for (int64_t index = 0; size_ > 1 && index < pieces_of(count, piece); ++index) {
    const int64_t n = std::min(piece, count - index * piece) * element;
    std::byte* const at = bytes + index * piece * element;
    reserve(n);
    if (rank_ == root) {
      copy_bytes(send_at(0), at, n);
    }
    run([&] {
      std::vector<at::Tensor> tensors = {send_.narrow(0, 0, n)};
      c10d::BroadcastOptions options;
      options.rootRank = root;
      return group_->broadcast(tensors, options);
    });
    if (rank_ != root) {
      copy_bytes(at, send_at(0), n);
    }
  }
  return nullptr;
}

GlooGroup::Pending GlooGroup::all_to_all(const void* in, void* out, int64_t count, int32_t dtype) {
  begin(strata::kit::kAllToAll, count, dtype, 0);
  const int64_t element = size_of(dtype);
  const int64_t piece = std::max<int64_t>(1, kPieceBytes / element / size_);
  const auto* source = static_cast<const std::byte*>(in);
  auto* target = static_cast<std::byte*>(out);
  for (int64_t index = 0; index < pieces_of(count, piece); ++index) {
    const int64_t first = index * piece;
    const int64_t n = std::min(piece, count - first);
    reserve(n * element * size_);
    for (int rank = 0; rank < size_; ++rank) {
      copy_bytes(
          send_at(rank * n * element), source + (rank * count + first) * element, n * element);
    }
    exchange(n * element);
    for (int rank = 0; rank < size_; ++rank) {
      copy_bytes(
          target + (rank * count + first) * element, recv_at(rank * n * element), n * element);
    }
  }
  return nullptr;
}

void GlooGroup::barrier() {
  begin(strata::kit::kBarrier, 0, STRATA_U8, 0);
  if (size_ > 1) {
    run([&] { return group_->barrier(); });
  }
}

void GlooGroup::exchange(int64_t slice_bytes) {
  run([&] {
    at::Tensor out = recv_.narrow(0, 0, slice_bytes * size_);
    at::Tensor in = send_.narrow(0, 0, slice_bytes * size_);
    std::vector<int64_t> even;
    return group_->all_to_all_single(out, in, even, even);
  });
}

void GlooGroup::collect(int64_t slice_bytes) {
  run([&] {
    at::Tensor out = recv_.narrow(0, 0, slice_bytes * size_);
    at::Tensor in = send_.narrow(0, 0, slice_bytes);
    return group_->all_gather_single(out, in);
  });
}

void GlooGroup::reduce_slices(std::byte* out, int64_t slice_bytes, int64_t count, int32_t op) {
  std::vector<const std::byte*> rows;
  rows.reserve(static_cast<size_t>(size_));
  for (int rank = 0; rank < size_; ++rank) {
    rows.push_back(recv_at(rank * slice_bytes));
  }
  strata::kit::reduce_rows(rows, out, count, call_.dtype, op);
}

void GlooGroup::reserve(int64_t bytes) {
  if (!send_.defined() || send_.numel() < bytes) {
    send_ = at::empty({bytes}, at::kByte);
    recv_ = at::empty({bytes}, at::kByte);
  }
}

std::byte* GlooGroup::send_at(int64_t offset) {
  return static_cast<std::byte*>(send_.data_ptr()) + offset;
}

std::byte* GlooGroup::recv_at(int64_t offset) {
  return static_cast<std::byte*>(recv_.data_ptr()) + offset;
}

void GlooGroup::run(const Operation& operation) {
  if (call_.kind != strata::kit::kBarrier && send_.numel() == 0) {
    return;  // nothing to move, and Gloo refuses it
  }
  try {
    finish(*operation());
  } catch (const strata::Error&) {
    throw;
  } catch (const std::exception& e) {
    look_for_abort();
    throw_if_aborted();
    fail(reason_of(e));
  }
}

// Waits in turns, so that an abort is seen. A turn's end is an exception too; it differs by the
// work's state.
void GlooGroup::finish(c10d::Work& work) {
  while (true) {
    try {
      work.wait(kLook);
      return;
    } catch (const std::exception&) {
      if (work.isCompleted()) {
        throw;
      }
    }
    look_for_abort();
    throw_if_aborted();
  }
}

void GlooGroup::look_for_abort() {
  if (aborted_ || !store_->check({kAbortKey})) {
    return;
  }
  const std::string reason = store_->get_to_str(kAbortKey);
  const std::lock_guard lock(reason_mutex_);
  if (!aborted_) {
    reason_ = reason;
    aborted_ = true;
  }
}

void GlooGroup::throw_if_aborted() {
  if (aborted_) {
    const std::lock_guard lock(reason_mutex_);
    throw strata::Error(STRATA_E_COMM,
                        strata::text("group \"",
                                     name_,
                                     "\", rank ",
                                     rank_,
                                     " of ",
                                     size_,
                                     ", in ",
                                     strata::kit::describe(call_),
                                     ": ",
                                     reason_));
  }
}

void GlooGroup::fail(const std::string& what) {
  abort(strata::text("rank ", rank_, ", ", strata::kit::describe(call_), ": ", what));
  throw_if_aborted();
  std::abort();  // abort() has set the flag
}

void GlooGroup::abort(std::string_view reason) noexcept {
  {
    const std::lock_guard lock(reason_mutex_);
    if (!aborted_) {
      reason_ = reason;
      aborted_ = true;
    }
  }
  try {
    if (!store_->check({kAbortKey})) {
      store_->set(kAbortKey, std::string(reason));
    }
  } catch (...) {
    // The store is gone with rank 0: its closed connections tell the others.
    return;
  }
}

}  // namespace gloo_backend
