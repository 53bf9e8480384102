// What stands behind strata_sample: named dense arrays in reused memory, and the sample's random
// stream.
#pragma once

#include <array>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "strata/abi/data.h"

#include "data/random.hpp"

namespace strata::data {

inline constexpr size_t kAlignment = 64;  // bytes, of every array

/// Bytes of an array of that dtype and shape.
size_t byte_size(const strata_array& array);

bool same_layout(const strata_array& a, const strata_array& b);

/// "f32 [3, 32, 32]"
std::string layout_text(const strata_array& array);

/// Memory that only grows, aligned to kAlignment.
class ScratchMemory {
 public:
  void* at_least(size_t bytes);

 private:
  struct Free {
    void operator()(void* p) const { std::free(p); }
  };

  std::unique_ptr<void, Free> data_;
  size_t bytes_ = 0;
};

/// One field of a sample. Two buffers, so that a field made anew leaves its old value readable.
struct Field {
  std::string name;
  strata_array value{};
  int32_t makes = 0;  // in this sample

  // The at_make-th make hands out `target` instead of memory of its own when layout agrees with it:
  // in a run of like samples that is the last make, and the value then needs no copy. at_make 0: no
  // target.
  strata_array target{};
  int32_t target_at_make = 0;

  std::array<ScratchMemory, 2> memory;
  size_t turn = 0;
};

/// The fields of one sample, in the order in which they were first made.
class SampleFields {
 public:
  /// Forgets all values and targets; keeps the memory.
  void clear();

  /// Errors: STRATA_E_ARGUMENT for a nameless field, an unknown dtype or an impossible shape.
  const strata_array& make(std::string_view name, int32_t dtype, std::span<const int64_t> shape);

  /// Errors: STRATA_E_NOT_FOUND naming the fields there are.
  [[nodiscard]] const strata_array& get(std::string_view name) const;

  [[nodiscard]] std::span<const Field> fields() const { return {pool_.data(), live_}; }

  /// Lets the at_make-th make of this field write to target.data; after clear(), before the first
  /// make. target.data: borrowed until the next clear(), aligned to kAlignment.
  void aim(std::string_view name, const strata_array& target, int32_t at_make);

 private:
  Field& live_field(std::string_view name);
  size_t pool_position(std::string_view name);

  std::vector<Field> pool_;  // the first live_ belong to this sample
  size_t live_ = 0;
};

/// The table handed to plugins.
const strata_sample_api* sample_service();

}  // namespace strata::data

/// One per worker, reused from sample to sample.
struct strata_sample {
  strata::data::SampleFields fields;
  strata::data::RandomStream random;
};
