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

 private:
  bool poison_;
  Account total_;
  std::map<std::string, Account, std::less<>> tags_;
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
  bool holds_gradients = false;  // memory comes zeroed, and zero_grad clears it
};

/// The slot behind an opaque tensor handle.
struct strata_tensor {
  at::Tensor value;
};
