// default_collate: samples of one layout become one tensor a field.
#include "data/collate.hpp"

#include <cstring>
#include <utility>

#include <ATen/ops/empty.h>

#include "strata/cpp/error.hpp"

namespace strata::data {
namespace {

// The border's numbers are LibTorch's, so that a cast translates them.
static_assert(static_cast<int>(at::kByte) == STRATA_U8 && static_cast<int>(at::kChar) == STRATA_I8);
static_assert(static_cast<int>(at::kInt) == STRATA_I32 &&
              static_cast<int>(at::kLong) == STRATA_I64);
static_assert(static_cast<int>(at::kHalf) == STRATA_F16 &&
              static_cast<int>(at::kFloat) == STRATA_F32);
static_assert(static_cast<int>(at::kDouble) == STRATA_F64 &&
              static_cast<int>(at::kBool) == STRATA_BOOL);
static_assert(static_cast<int>(at::kBFloat16) == STRATA_BF16);

at::Tensor empty_stack(int64_t size, const strata_array& sample) {
  std::vector<int64_t> shape = {size};
  shape.insert(shape.end(), sample.shape, sample.shape + sample.ndim);
  return at::empty(shape, at::TensorOptions().dtype(static_cast<at::ScalarType>(sample.dtype)));
}

std::string names_of(const SampleFields& sample) {
  std::string names;
  for (const Field& field : sample.fields()) {
    names += (names.empty() ? "" : ", ") + field.name;
  }
  return names.empty() ? "none" : names;
}

}  // namespace

void check_collate(std::string_view name, const std::string& where) {
  if (name == "default_collate") {
    return;
  }
  if (name == "pseudo_collate") {
    throw config_error(
        where,
        "collate_fn \"pseudo_collate\" keeps a batch as a list of samples, but models take "
        "stacked tensors; write collate_fn = { type = \"default_collate\" } or leave it out");
  }
  throw config_error(
      where, "there is no collate function \"", name, R"("; there is "default_collate")");
}

char* BatchAssembler::place(const Stack& stack, int64_t position) const {
  return static_cast<char*>(stack.layout.data) + static_cast<size_t>(position) * stack.stride;
}

void BatchAssembler::prepare(int64_t position, SampleFields& sample) const {
  sample.clear();
  for (size_t i = 0; i < stacks_.size(); ++i) {
    char* const to = place(stacks_[i], position);
    if (reinterpret_cast<uintptr_t>(to) % kAlignment ==
        0) {  // what strata_array promises its writer
      strata_array target = stacks_[i].layout;
      target.data = to;
      sample.aim(fields_[i].name, target, stacks_[i].makes);
    }
  }
}

void BatchAssembler::take(int64_t position, int64_t index, const SampleFields& sample) {
  if (stacks_.empty()) {
    begin(index, sample);
  }
  check_fields(index, sample);
  for (size_t i = 0; i < stacks_.size(); ++i) {
    const strata_array& value = sample.get(fields_[i].name);
    check_layout(i, index, value);
    char* const to = place(stacks_[i], position);
    if (value.data != to && stacks_[i].stride > 0) {
      std::memcpy(to, value.data, stacks_[i].stride);
    }
  }
}

void BatchAssembler::begin(int64_t index, const SampleFields& first) {
  if (first.fields().empty()) {
    throw run_error("sample ", index, " has no fields");
  }
  first_index_ = index;
  for (const Field& field : first.fields()) {
    at::Tensor tensor = empty_stack(size_, field.value);
    strata_array layout = field.value;
    layout.data = tensor.mutable_data_ptr();
    stacks_.push_back({layout, byte_size(layout), field.makes});
    fields_.push_back({field.name, std::move(tensor)});
  }
}

void BatchAssembler::check_fields(int64_t index, const SampleFields& sample) const {
  bool same = sample.fields().size() == fields_.size();
  for (size_t i = 0; same && i < fields_.size(); ++i) {
    bool found = false;
    for (const Field& field : sample.fields()) {
      found = found || field.name == fields_[i].name;
    }
    same = found;
  }
  if (same) {
    return;
  }
  std::string expected;
  for (const BatchField& field : fields_) {
    expected += (expected.empty() ? "" : ", ") + field.name;
  }
  throw run_error("sample ",
                  index,
                  " has the fields ",
                  names_of(sample),
                  "; sample ",
                  first_index_,
                  " of the same batch has ",
                  expected);
}

void BatchAssembler::check_layout(size_t field, int64_t index, const strata_array& value) const {
  if (!same_layout(value, stacks_[field].layout)) {
    throw run_error(
        "field \"",
        fields_[field].name,
        "\" of sample ",
        index,
        " is ",
        layout_text(value),
        ", of sample ",
        first_index_,
        " in the same batch ",
        layout_text(stacks_[field].layout),
        "; default_collate stacks samples of one shape: bring them to it in the data set's "
        "transforms, or use batch_size = 1");
  }
}

Batch BatchAssembler::finish(int64_t valid) {
  stacks_.clear();
  return {std::exchange(fields_, {}), valid, size_};
}

}  // namespace strata::data
