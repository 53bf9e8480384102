// Chunks of an update, cut and called.
#include "optim/chunk_runner.hpp"

#include <algorithm>

#include "strata/kit/cast.hpp"

#include "optim/views.hpp"

namespace strata::optim {
namespace {

// A task takes a fraction of a millisecond: long beside a call, short beside an update.
constexpr int64_t kPiece = 1 << 18;  // elements

template <class Pointer>
Pointer moved(Pointer from, int64_t bytes) {
  using Byte = std::
      conditional_t<std::is_const_v<std::remove_pointer_t<Pointer>>, const std::byte, std::byte>;
  return from == nullptr ? nullptr : static_cast<Byte*>(from) + bytes;
}

strata_optim_step_args args_of(std::span<const strata_optim_chunk> chunks,
                               const StepNumbers& numbers) {
  return {STRATA_HDR(strata_optim_step_args),
          chunks.data(),
          chunks.size(),
          numbers.hypers,
          numbers.n_hypers,
          numbers.grad_scale,
          nullptr};
}

}  // namespace

ChunkRunner::ChunkRunner(const border::Object<strata_optimizer_api>& optimizer, Crew& crew)
    : optimizer_(optimizer), crew_(crew) {
  strata_optimizer_caps caps{};
  caps.h = STRATA_HDR(strata_optimizer_caps);
  optimizer.call(&strata_optimizer_api::describe, &caps);
  concurrent_ = (caps.flags & STRATA_OPTIM_CONCURRENT) != 0;
  writes_copy_ = (caps.flags & STRATA_OPTIM_WRITES_COPY) != 0;
  n_sums_ = caps.n_sums;
  for (uint64_t i = 0; i < caps.n_states; ++i) {
    state_dtypes_.push_back(caps.states[i].dtype);
  }
  if (n_sums_ > STRATA_MAX_OPTIM_SUMS ||
      (n_sums_ > 0 && !optimizer.has(&strata_optimizer_api::prepare))) {
    throw Error(STRATA_E_ARGUMENT,
                text(optimizer.type(),
                     " asks for ",
                     n_sums_,
                     " sums over a parameter; at most ",
                     STRATA_MAX_OPTIM_SUMS,
                     " are possible, and prepare() must be there to give their terms"));
  }
}

strata_optim_chunk ChunkRunner::piece(const strata_optim_chunk& chunk,
                                      int64_t from,
                                      int64_t count) const {
  strata_optim_chunk out = chunk;
  out.value = moved(chunk.value, from * float_bytes(chunk.value_dtype));
  out.grad = moved(chunk.grad, from * float_bytes(chunk.grad_dtype));
  for (size_t k = 0; k < state_dtypes_.size(); ++k) {
    const int32_t dtype = state_dtypes_[k] == -1 ? chunk.state_dtype : state_dtypes_[k];
    out.state[k] = moved(chunk.state[k], from * float_bytes(dtype));
  }
  if (chunk.copy != nullptr) {
    out.copy = moved(chunk.copy, from * float_bytes(chunk.copy_dtype));
  }
  out.count = count;
  return out;
}

// Sums are taken in pieces whatever the number of threads is, so that it does not change them.
ChunkRunner::Pieces ChunkRunner::cut(std::span<const strata_optim_chunk> chunks) const {
  const bool whole = n_sums_ == 0 && (!concurrent_ || crew_.size() == 1);
  Pieces out;
  int64_t in_task = kPiece;
  for (size_t i = 0; i < chunks.size(); ++i) {
    const int64_t stride = whole ? chunks[i].count : kPiece;
    for (int64_t at = 0; at < chunks[i].count; at += stride) {
      if (out.tasks.empty() || (concurrent_ && crew_.size() > 1 && in_task >= kPiece)) {
        out.tasks.push_back(out.chunks.size());
        in_task = 0;
      }
      out.chunks.push_back(piece(chunks[i], at, std::min(stride, chunks[i].count - at)));
      out.of.push_back(i);
      in_task += out.chunks.back().count;
    }
  }
  out.tasks.push_back(out.chunks.size());
  return out;
}

std::vector<double> ChunkRunner::prepare(std::span<const strata_optim_chunk> chunks,
                                         const StepNumbers& numbers) const {
  const Pieces pieces = cut(chunks);
  std::vector<double> terms(pieces.chunks.size() * n_sums_);
  crew_.each(pieces.tasks.size() - 1, [&](size_t task) {
    const size_t from = pieces.tasks[task];
    const auto args =
        args_of(std::span(pieces.chunks).subspan(from, pieces.tasks[task + 1] - from), numbers);
    optimizer_.call(&strata_optimizer_api::prepare, &args, terms.data() + from * n_sums_);
  });
  std::vector<double> sums(chunks.size() * n_sums_);
  for (size_t i = 0; i < pieces.chunks.size(); ++i) {
    for (size_t k = 0; k < n_sums_; ++k) {
      sums[pieces.of[i] * n_sums_ + k] += terms[i * n_sums_ + k];
    }
  }
  return sums;
}

void ChunkRunner::step(std::span<const strata_optim_chunk> chunks,
                       const StepNumbers& numbers) const {
  const Pieces pieces = cut(chunks);
  crew_.each(pieces.tasks.size() - 1, [&](size_t task) {
    const size_t from = pieces.tasks[task];
    const auto own = std::span(pieces.chunks).subspan(from, pieces.tasks[task + 1] - from);
    const auto args = args_of(own, numbers);
    optimizer_.call(&strata_optimizer_api::step, &args);
    for (const strata_optim_chunk& c : own) {
      if (c.copy != nullptr && !writes_copy_) {
        kit::cast(c.copy, c.copy_dtype, c.value, c.value_dtype, c.count);
      }
    }
  });
}

}  // namespace strata::optim
