// Buffers with a storage that stays while its memory comes and goes, and the account of this rank's bytes.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <ATen/core/Tensor.h>
#include <c10/core/Storage.h>

#include "strata/abi/memory.h"

#include "border/runtime.hpp"

namespace strata::unit {

struct Account {
  int64_t now = 0;
  int64_t peak = 0;

  void add(int64_t bytes) {
    now += bytes;
    peak = now > peak ? now : peak;
  }
};

/// Memory that evicted buffers left for others that take turns with them. Never more than such buffers had together at
/// their peak.
class SpareBlocks {
 public:
  /// At least so many bytes, of undefined content.
  c10::DataPtr take(int64_t bytes);
  void give(c10::DataPtr block);
  /// A block that was taken ends with its owner.
  void lose(const void* block);

  /// Bytes that lie idle.
  [[nodiscard]] int64_t idle() const { return idle_; }

 private:
  void shrink_for(int64_t bytes);

  std::multimap<int64_t, c10::DataPtr> blocks_;  // by size
  std::map<const void*, int64_t> taken_;         // sizes of those in use
  int64_t idle_ = 0;
  int64_t in_use_ = 0;
  int64_t peak_ = 0;
};

/// Makes buffers and keeps the account. One per rank; [main] and [autograd], which take turns on a CPU.
class Memory {
 public:
  /// poison: fills memory with NaN bit patterns when it is evicted and when it is given out.
  explicit Memory(bool poison) : poison_(poison) {}

  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  [[nodiscard]] bool poison() const { return poison_; }

  [[nodiscard]] const Account& total() const { return total_; }

  /// The account of one tag; zeros for a tag never used.
  [[nodiscard]] Account tag(std::string_view name) const;
  /// Bytes of model states now: the tags that stay from step to step (see strata/abi/memory.h).
  [[nodiscard]] int64_t state_bytes() const;
  void add(const std::string& tag, int64_t bytes);
  void reset_peak();

  /// Memory for a buffer; takes_turns: from and to the spare blocks.
  c10::DataPtr allocate(int64_t bytes, bool takes_turns);
  void release(c10::DataPtr block, bool takes_turns);

  /// Of a buffer that takes turns and ends while it has memory.
  void lose(const void* block) { spare_.lose(block); }

 private:
  void count_spare();

  bool poison_;
  Account total_;
  std::map<std::string, Account, std::less<>> tags_;
  SpareBlocks spare_;
  int64_t counted_spare_ = 0;
};

/// A tensor over a storage that may have no memory at the moment. Shape and strides in elements.
at::Tensor view_of(const c10::Storage& storage,
                   int64_t byte_offset,
                   at::ScalarType dtype,
                   at::IntArrayRef shape,
                   at::IntArrayRef stride);

at::ScalarType scalar_type(int32_t dtype);
int32_t dtype_of(at::ScalarType type);
void fill_view(const at::Tensor& tensor, strata_view* out);

const strata_memory_api* memory_service();
const strata_tensor_api* tensor_service();

}  // namespace strata::unit

/// The buffer behind the opaque handle of strata/abi/memory.h.
struct strata_buffer {
  strata_buffer(strata::unit::Memory& memory, int64_t bytes, uint32_t flags, std::string tag);
  strata_buffer(const strata_buffer&) = delete;
  strata_buffer& operator=(const strata_buffer&) = delete;
  ~strata_buffer();

  void make_resident();
  void evict();
  /// What lives here, for the message of a stray access.
  void add_user(std::string_view what);
  /// From now on, without memory, any access through a tensor fails and names the users.
  void refuse_access();

  strata::unit::Memory& memory;
  c10::Storage storage;
  int64_t bytes;
  std::string tag;
  std::string users;
  bool resident = false;
  bool takes_turns = false;
  bool holds_gradients = false;  // memory comes zeroed, and zero_grad clears it
};

/// The slot behind an opaque tensor handle.
struct strata_tensor {
  at::Tensor value;
};
