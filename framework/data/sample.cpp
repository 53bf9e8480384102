// Fields of a sample and the service through which plugins make and read them.
#include "data/sample.hpp"

#include <algorithm>
#include <new>
#include <utility>

#include "strata/cpp/dtype.hpp"

#include "border/errors.hpp"

namespace strata::data {
namespace {

strata_array array_of(std::string_view name, int32_t dtype, std::span<const int64_t> shape) {
  if (name.empty()) {
    throw Error(STRATA_E_ARGUMENT, "a field of a sample needs a name");
  }
  if (shape.size() > STRATA_MAX_DIMS) {
    throw Error(STRATA_E_ARGUMENT,
                text("field \"",
                     name,
                     "\" has ",
                     shape.size(),
                     " dimensions; at most ",
                     STRATA_MAX_DIMS,
                     " can be"));
  }
  strata_array out{};
  out.dtype = dtype;
  out.ndim = static_cast<int32_t>(shape.size());
  auto bytes = size_of(dtype);
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] < 0 || __builtin_mul_overflow(bytes, shape[i], &bytes)) {
      throw Error(
          STRATA_E_ARGUMENT,
          text("field \"", name, "\" has an impossible extent ", shape[i], " in dimension ", i));
    }
    out.shape[i] = shape[i];
  }
  return out;
}

strata_rc make(strata_sample* s,
               strata_str name,
               int32_t dtype,
               int32_t ndim,
               const int64_t* shape,
               strata_array* out) {
  return border::guarded([&] {
    if (ndim < 0) {
      throw Error(STRATA_E_ARGUMENT,
                  text("field \"", border::view(name), "\" has ", ndim, " dimensions"));
    }
    *out = s->fields.make(border::view(name), dtype, {shape, static_cast<size_t>(ndim)});
  });
}

strata_rc get(strata_sample* s, strata_str name, strata_array* out) {
  return border::guarded([&] { *out = s->fields.get(border::view(name)); });
}

uint64_t random(strata_sample* s) {
  return s->random.next();
}

}  // namespace

size_t byte_size(const strata_array& array) {
  auto bytes = static_cast<size_t>(size_of(array.dtype));
  for (int32_t i = 0; i < array.ndim; ++i) {
    bytes *= static_cast<size_t>(array.shape[i]);
  }
  return bytes;
}

bool same_layout(const strata_array& a, const strata_array& b) {
  return a.dtype == b.dtype && a.ndim == b.ndim && std::equal(a.shape, a.shape + a.ndim, b.shape);
}

std::string layout_text(const strata_array& array) {
  std::string out = text(dtype_name(array.dtype), " [");
  for (int32_t i = 0; i < array.ndim; ++i) {
    out += text(i == 0 ? "" : ", ", array.shape[i]);
  }
  return out + "]";
}

void* ScratchMemory::at_least(size_t bytes) {
  if (data_ == nullptr || bytes > bytes_) {
    const size_t rounded = std::max(kAlignment, (bytes + kAlignment - 1) / kAlignment * kAlignment);
    data_.reset(std::aligned_alloc(kAlignment, rounded));
    if (data_ == nullptr) {
      bytes_ = 0;
      throw std::bad_alloc();
    }
    bytes_ = rounded;
  }
  return data_.get();
}

void SampleFields::clear() {
  for (Field& field : pool_) {
    field.makes = 0;
    field.target_at_make = 0;
  }
  live_ = 0;
}

size_t SampleFields::pool_position(std::string_view name) {
  for (size_t i = 0; i < pool_.size(); ++i) {
    if (pool_[i].name == name) {
      return i;
    }
  }
  pool_.emplace_back().name = name;
  return pool_.size() - 1;
}

Field& SampleFields::live_field(std::string_view name) {
  const size_t position = pool_position(name);
  if (position < live_) {
    return pool_[position];
  }
  std::swap(pool_[position], pool_[live_]);
  return pool_[live_++];
}

const strata_array& SampleFields::make(std::string_view name,
                                       int32_t dtype,
                                       std::span<const int64_t> shape) {
  strata_array made = array_of(name, dtype, shape);
  Field& field = live_field(name);
  field.makes += 1;
  if (field.makes == field.target_at_make && same_layout(made, field.target)) {
    made.data = field.target.data;
  } else {
    made.data = field.memory[field.turn].at_least(byte_size(made));
    field.turn = 1 - field.turn;
  }
  field.value = made;
  return field.value;
}

const strata_array& SampleFields::get(std::string_view name) const {
  std::string names;
  for (const Field& field : fields()) {
    if (field.name == name) {
      return field.value;
    }
    names += (names.empty() ? "" : ", ") + field.name;
  }
  throw Error(
      STRATA_E_NOT_FOUND,
      text("the sample has no field \"", name, "\"; it has: ", names.empty() ? "none" : names));
}

void SampleFields::aim(std::string_view name, const strata_array& target, int32_t at_make) {
  Field& field = pool_[pool_position(name)];
  field.target = target;
  field.target_at_make = at_make;
}

const strata_sample_api* sample_service() {
  static const strata_sample_api api = {STRATA_HDR(strata_sample_api), &make, &get, &random};
  return &api;
}

}  // namespace strata::data
