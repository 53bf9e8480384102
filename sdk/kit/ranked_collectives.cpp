// What each collective of a RankedGroup posts and takes, piece by piece.
#include <algorithm>
#include <cstring>

#include "strata/cpp/dtype.hpp"
#include "strata/cpp/error.hpp"
#include "strata/kit/ranked_group.hpp"
#include "strata/kit/reduce.hpp"

#include "ranked_control.hpp"

namespace strata::kit {
namespace {

// Up to this many bytes of all ranks together, adding everything everywhere is cheaper than another
// round.
constexpr int64_t kSmallBytes = int64_t{128} * 1024;

int64_t pieces_of(int64_t count, int64_t piece) {
  return std::max<int64_t>(1, (count + piece - 1) / piece);
}

void copy_bytes(void* to, const void* from, int64_t bytes) {
  if (bytes > 0 && to != from) {
    std::memcpy(to, from, static_cast<size_t>(bytes));
  }
}

// Elements [begin, begin + count) of a message.
struct Part {
  int64_t begin;
  int64_t count;
};

// Rank's slice of a piece: as even as whole elements allow.
Part slice_of(Part piece, int rank, int size) {
  const int64_t each = (piece.count + size - 1) / size;
  const int64_t first = std::min(rank * each, piece.count);
  return {piece.begin + first, std::min(each, piece.count - first)};
}

Part piece_at(int64_t index, int64_t piece, int64_t count) {
  return {index * piece, std::min(piece, count - index * piece)};
}

}  // namespace

// Posts one piece ahead, so that no rank waits for a copy that could have been made before.
template <class Post, class Take>
void RankedGroup::pipeline(int64_t pieces, Post post, Take take) {
  const auto post_piece = [&](int64_t index) {
    post(open_round(), index);
    publish_round();
  };
  post_piece(0);
  for (int64_t index = 0; index < pieces; ++index) {
    if (index + 1 < pieces) {
      post_piece(index + 1);
    }
    await_round();
    take(index);
    close_round();
  }
}

void RankedGroup::all_reduce(void* data, int64_t count, int32_t dtype, int32_t op) {
  begin(kAllReduce, count, dtype, op);
  if (args_.size == 1) {
    return;
  }
  auto* bytes = static_cast<std::byte*>(data);
  const int64_t total = count * size_of(dtype);
  if (total * args_.size <= kSmallBytes && total <= group_->slot_bytes) {
    all_reduce_small(bytes, count, dtype, op);
  } else {
    all_reduce_large(bytes, count, dtype, op);
  }
}

void RankedGroup::all_reduce_small(std::byte* data, int64_t count, int32_t dtype, int32_t op) {
  pipeline(
      1,
      [&](std::byte* mine, int64_t) { copy_bytes(mine, data, count * size_of(dtype)); },
      [&](int64_t) {
        for (int rank = 0; rank < args_.size; ++rank) {
          rows_[static_cast<size_t>(rank)] = rank == args_.rank ? data : slot(rank, taken_);
        }
        reduce_rows(rows_, data, count, dtype, op);
      });
}

// An all-reduce of more than a slot holds. Each piece takes two rounds: every rank adds up its slice, then collects the
// others'.
class RankedGroup::LargeReduce {
 public:
  LargeReduce(RankedGroup& group, std::byte* data, int64_t count, int32_t dtype, int32_t op)
      : group_(group), data_(data), count_(count), dtype_(dtype), op_(op) {}

  [[nodiscard]] int64_t pieces() const { return pieces_of(count_, piece_); }

  void post_slices(int64_t index) {
    std::byte* mine = group_.open_round();
    for (int rank = 0; rank < size_; ++rank) {
      if (rank != own_) {
        const Part part = slice(index, rank);
        copy_bytes(mine + rank * share_, at(part), part.count * element_);
      }
    }
    group_.publish_round();
  }

  void reduce_and_post(int64_t index) {
    const Part part = slice(index, own_);
    std::byte* target = at(part);
    group_.await_round();
    for (int rank = 0; rank < size_; ++rank) {
      group_.rows_[static_cast<size_t>(rank)] =
          rank == own_ ? target : group_.slot(rank, group_.taken_) + own_ * share_;
    }
    reduce_rows(group_.rows_, target, part.count, dtype_, op_);
    group_.close_round();
    copy_bytes(group_.open_round(), target, part.count * element_);
    group_.publish_round();
  }

  void gather(int64_t index) {
    group_.await_round();
    for (int rank = 0; rank < size_; ++rank) {
      if (rank != own_) {
        const Part part = slice(index, rank);
        copy_bytes(at(part), group_.slot(rank, group_.taken_), part.count * element_);
      }
    }
    group_.close_round();
  }

 private:
  [[nodiscard]] Part slice(int64_t index, int rank) const {
    return slice_of(piece_at(index, piece_, count_), rank, size_);
  }

  [[nodiscard]] std::byte* at(Part part) const { return data_ + part.begin * element_; }

  RankedGroup& group_;
  std::byte* data_;
  int64_t count_;
  int32_t dtype_;
  int32_t op_;
  int size_ = group_.args_.size;
  int own_ = group_.args_.rank;
  int64_t element_ = size_of(dtype_);
  int64_t share_ = group_.share_bytes();
  int64_t piece_ = share_ / element_ * size_;
};

// Rounds in the order of their posting: reduce 0, reduce 1, gather 0, reduce 2, gather 1, …
void RankedGroup::all_reduce_large(std::byte* data, int64_t count, int32_t dtype, int32_t op) {
  LargeReduce reduction(*this, data, count, dtype, op);
  const int64_t pieces = reduction.pieces();
  reduction.post_slices(0);
  for (int64_t index = 0; index < pieces; ++index) {
    if (index + 1 < pieces) {
      reduction.post_slices(index + 1);
    }
    reduction.reduce_and_post(index);
    if (index > 0) {
      reduction.gather(index - 1);
    }
  }
  reduction.gather(pieces - 1);
}

void RankedGroup::reduce_scatter(
    const void* in, void* out, int64_t count, int32_t dtype, int32_t op) {
  begin(kReduceScatter, count, dtype, op);
  const int64_t element = size_of(dtype);
  const auto* source = static_cast<const std::byte*>(in);
  auto* target = static_cast<std::byte*>(out);
  const auto from = [&](int rank, Part part) {
    return source + (rank * count + part.begin) * element;
  };
  if (args_.size == 1) {
    copy_bytes(target, source, count * element);
    return;
  }
  const int64_t share = share_bytes();
  const int64_t piece = share / element;
  pipeline(
      pieces_of(count, piece),
      [&](std::byte* mine, int64_t index) {
        const Part part = piece_at(index, piece, count);
        for (int rank = 0; rank < args_.size; ++rank) {
          if (rank != args_.rank) {
            copy_bytes(mine + rank * share, from(rank, part), part.count * element);
          }
        }
      },
      [&](int64_t index) {
        const Part part = piece_at(index, piece, count);
        for (int rank = 0; rank < args_.size; ++rank) {
          rows_[static_cast<size_t>(rank)] =
              rank == args_.rank ? from(rank, part) : slot(rank, taken_) + args_.rank * share;
        }
        reduce_rows(rows_, target + part.begin * element, part.count, dtype, op);
      });
}

void RankedGroup::all_gather(const void* in, void* out, int64_t count, int32_t dtype) {
  begin(kAllGather, count, dtype, 0);
  const int64_t element = size_of(dtype);
  const auto* source = static_cast<const std::byte*>(in);
  auto* target = static_cast<std::byte*>(out);
  if (args_.size == 1) {
    copy_bytes(target, source, count * element);
    return;
  }
  const int64_t piece = group_->slot_bytes / element;
  pipeline(
      pieces_of(count, piece),
      [&](std::byte* mine, int64_t index) {
        const Part part = piece_at(index, piece, count);
        copy_bytes(mine, source + part.begin * element, part.count * element);
      },
      [&](int64_t index) {
        const Part part = piece_at(index, piece, count);
        for (int rank = 0; rank < args_.size; ++rank) {
          const std::byte* row =
              rank == args_.rank ? source + part.begin * element : slot(rank, taken_);
          copy_bytes(target + (rank * count + part.begin) * element, row, part.count * element);
        }
      });
}

void RankedGroup::broadcast(void* data, int64_t count, int32_t dtype, int32_t root) {
  if (root < 0 || root >= args_.size) {
    throw Error(STRATA_E_ARGUMENT,
                text("group \"", args_.name, "\": broadcast from rank ", root, " of ", args_.size));
  }
  begin(kBroadcast, count, dtype, root);
  if (args_.size == 1) {
    return;
  }
  const int64_t element = size_of(dtype);
  auto* bytes = static_cast<std::byte*>(data);
  const int64_t piece = group_->slot_bytes / element;
  pipeline(
      pieces_of(count, piece),
      [&](std::byte* mine, int64_t index) {
        const Part part = piece_at(index, piece, count);
        if (args_.rank == root) {
          copy_bytes(mine, bytes + part.begin * element, part.count * element);
        }
      },
      [&](int64_t index) {
        const Part part = piece_at(index, piece, count);
        if (args_.rank != root) {
          copy_bytes(bytes + part.begin * element, slot(root, taken_), part.count * element);
        }
      });
}

void RankedGroup::all_to_all(const void* in, void* out, int64_t count, int32_t dtype) {
  begin(kAllToAll, count, dtype, 0);
  const int64_t element = size_of(dtype);
  const auto* source = static_cast<const std::byte*>(in);
  auto* target = static_cast<std::byte*>(out);
  const int64_t share = share_bytes();
  const int64_t piece = share / element;
  const auto offset = [&](int rank, Part part) { return (rank * count + part.begin) * element; };
  if (args_.size == 1) {
    copy_bytes(target, source, count * element);
    return;
  }
  pipeline(
      pieces_of(count, piece),
      [&](std::byte* mine, int64_t index) {
        const Part part = piece_at(index, piece, count);
        for (int rank = 0; rank < args_.size; ++rank) {
          if (rank != args_.rank) {
            copy_bytes(mine + rank * share, source + offset(rank, part), part.count * element);
          }
        }
      },
      [&](int64_t index) {
        const Part part = piece_at(index, piece, count);
        for (int rank = 0; rank < args_.size; ++rank) {
          const std::byte* row = rank == args_.rank ? source + offset(rank, part)
                                                    : slot(rank, taken_) + args_.rank * share;
          copy_bytes(target + offset(rank, part), row, part.count * element);
        }
      });
}

void RankedGroup::barrier() {
  begin(kBarrier, 0, STRATA_U8, 0);
  if (args_.size > 1) {
    pipeline(1, [](std::byte*, int64_t) {}, [](int64_t) {});
  }
}

}  // namespace strata::kit
