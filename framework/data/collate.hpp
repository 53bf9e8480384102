// Stacks samples into a batch. A sample is written straight into the batch where its last field can
// be foreseen.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "data/batch.hpp"
#include "data/sample.hpp"

namespace strata::data {

/// Accepts "default_collate". Errors: STRATA_E_CONFIG for any other, with what to write instead.
void check_collate(std::string_view name, const std::string& where);

/// Builds one batch of like samples.
class BatchAssembler {
 public:
  explicit BatchAssembler(int64_t size) : size_(size) {}

  /// Before sample `position` is made: aims its fields at their place in the batch.
  void prepare(int64_t position, SampleFields& sample) const;

  /// After it was made: whatever did not land there is copied. index: in the data set, for errors.
  /// Errors: STRATA_E_FAILED when fields, dtypes or shapes differ from those of the batch's first
  /// sample.
  void take(int64_t position, int64_t index, const SampleFields& sample);

  [[nodiscard]] Batch finish(int64_t valid);

 private:
  struct Stack {
    strata_array layout;  // of one sample; data: of the whole stack
    size_t stride;        // bytes from sample to sample
    int32_t makes;  // of the field in the first sample: the last of them makes the final value
  };

  void begin(int64_t index, const SampleFields& first);
  void check_fields(int64_t index, const SampleFields& sample) const;
  void check_layout(size_t field, int64_t index, const strata_array& value) const;
  [[nodiscard]] char* place(const Stack& stack, int64_t position) const;

  int64_t size_;
  int64_t first_index_ = 0;
  std::vector<Stack> stacks_;
  std::vector<BatchField> fields_;
};

}  // namespace strata::data
