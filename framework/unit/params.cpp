// Binding parameters and gradients to buffers, initial values, and the service strategies reach it by.
#include <cstring>
#include <vector>

#include <ATen/core/grad_mode.h>

#include "unit/model.hpp"

namespace strata::unit {
namespace {

std::string owner_text(const Param& p, const std::vector<Unit>& units) {
  const std::string& unit = units[static_cast<size_t>(p.unit)].name;
  return text("parameter \"", p.name, "\" of unit \"", unit.empty() ? "(root)" : unit, "\"");
}

void check_range(const Param& p, const strata_buffer& b, int64_t byte_offset, int32_t dtype) {
  const auto size = static_cast<int64_t>(c10::elementSize(scalar_type(dtype)));
  const int64_t end = byte_offset + p.tensor.numel() * size;
  if (byte_offset < 0 || byte_offset % size != 0 || end > b.bytes) {
    throw Error(STRATA_E_ARGUMENT,
                text("parameter \"",
                     p.name,
                     "\" would lie at bytes ",
                     byte_offset,
                     " to ",
                     end,
                     " of a buffer of ",
                     b.bytes));
  }
}

void check_slice(const Param& p, int64_t offset, int64_t count) {
  const int64_t numel = p.tensor.numel();
  if (offset < 0 || count < 0 || offset > numel || count > numel - offset) {
    throw Error(STRATA_E_ARGUMENT,
                text("init_slice of ",
                     count,
                     " elements from ",
                     offset,
                     " on of parameter \"",
                     p.name,
                     "\", which has ",
                     numel));
  }
}

std::vector<int64_t> strides_of(at::IntArrayRef shape) {
  std::vector<int64_t> strides(shape.size());
  int64_t step = 1;
  for (size_t i = shape.size(); i-- > 0;) {
    strides[i] = step;
    step *= std::max<int64_t>(shape[i], 1);
  }
  return strides;
}

// A dense tensor keeps the strides the model gave it (channels_last); anything else becomes contiguous.
std::vector<int64_t> strides_for(const at::Tensor& t, const int64_t* asked) {
  if (asked != nullptr) {
    return {asked, asked + t.dim()};
  }
  return t.is_non_overlapping_and_dense() ? t.strides().vec() : strides_of(t.sizes());
}

}  // namespace

uint64_t seed_of(uint64_t seed, std::string_view name) {
  uint64_t hash = 0xcbf29ce484222325ULL;  // FNV-1a, then the finaliser of splitmix64
  for (const char c : name) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  }
  hash += seed * 0x9e3779b97f4a7c15ULL;
  hash = (hash ^ (hash >> 30U)) * 0xbf58476d1ce4e5b9ULL;
  hash = (hash ^ (hash >> 27U)) * 0x94d049bb133111ebULL;
  return hash ^ (hash >> 31U);
}

void Model::bind_view(int32_t id,
                      strata_buffer* buffer,
                      int64_t byte_offset,
                      int32_t dtype,
                      const int64_t* strides,
                      bool keep) {
  Param& p = param(id);
  if (p.value != nullptr) {
    throw Error(STRATA_E_ARGUMENT, text(owner_text(p, units_), " is bound already"));
  }
  check_range(p, *buffer, byte_offset, dtype);
  const at::NoGradGuard no_grad;
  const at::Tensor view = view_of(buffer->storage,
                                  byte_offset,
                                  scalar_type(dtype),
                                  p.tensor.sizes(),
                                  strides_for(p.tensor, strides));
  if (keep) {
    view.copy_(p.tensor);
  }
  p.tensor.set_data(view);
  p.value = buffer;
  buffer->add_user(owner_text(p, units_));
}

void Model::bind_grad_view(int32_t id, strata_buffer* buffer, int64_t byte_offset, int32_t dtype) {
  Param& p = param(id);
  check_range(p, *buffer, byte_offset, dtype);
  p.grad_view = view_of(
      buffer->storage, byte_offset, scalar_type(dtype), p.tensor.sizes(), p.tensor.strides());
  p.grad = buffer;
  p.tensor.mutable_grad() = p.grad_view;
  if (!buffer->holds_gradients) {
    buffer->holds_gradients = true;
    grad_buffers_.push_back(buffer);
    if (buffer->resident) {
      std::memset(buffer->storage.mutable_data(), 0, static_cast<size_t>(buffer->bytes));
    }
  }
  buffer->add_user("the gradient of " + owner_text(p, units_));
}

bool Model::grad_take(int32_t id, void* dst, int32_t dtype, bool accumulate) {
  const Param& p = param(id);
  if (p.grad != nullptr) {
    throw Error(STRATA_E_ARGUMENT,
                text("grad_take of ",
                     owner_text(p, units_),
                     ", whose gradient is bound to a buffer: read it there"));
  }
  at::Tensor& grad = p.tensor.mutable_grad();
  if (!grad.defined()) {
    return false;
  }
  const at::NoGradGuard no_grad;
  const c10::Storage storage(
      c10::Storage::use_byte_size_t(),
      static_cast<size_t>(p.tensor.numel()) * c10::elementSize(scalar_type(dtype)),
      c10::DataPtr(dst, c10::kCPU));
  const at::Tensor out =
      view_of(storage, 0, scalar_type(dtype), p.tensor.sizes(), p.tensor.strides());
  if (accumulate) {
    out.add_(grad);
  } else {
    out.copy_(grad);
  }
  grad.reset();
  return true;
}

void Model::init_param(int32_t id, const at::Tensor& out) {
  const Param& p = param(id);
  const at::NoGradGuard no_grad;
  if (!source_.whole || !source_.whole(p.name, out)) {
    draw(id, out);
  }
}

void Model::init_slice(int32_t id, int64_t offset, const at::Tensor& out, Memory& memory) {
  const Param& p = param(id);
  const at::Tensor& t = p.tensor;
  const at::ScalarType type = out.scalar_type();
  if (out.numel() == t.numel()) {
    init_param(id, view_of(out.storage(), 0, type, t.sizes(), t.strides()));
    return;
  }
  const at::NoGradGuard no_grad;
  const bool row_major = t.is_contiguous();  // memory lies as the source counts
  if (row_major && source_.slice && source_.slice(p.name, t.sizes(), offset, out)) {
    return;
  }
  const auto size = static_cast<int64_t>(c10::elementSize(type));
  const strata_buffer whole(memory, t.numel() * size, 0, "unit");
  const at::Tensor value = view_of(whole.storage, 0, type, t.sizes(), t.strides());
  row_major ? draw(id, value) : init_param(id, value);
  out.copy_(view_of(whole.storage, offset * size, type, out.sizes(), {1}));
}

// The generator is the parameter's own, so drawing leaves no trace on other values.
void Model::draw(int32_t id, const at::Tensor& out) {
  at::Tensor target = out;
  const std::string_view name = param(id).name;
  object_.call(&strata_model_api::init_value,
               border::view(name),
               seed_of(seed_, name),
               static_cast<strata_native_tensor*>(&target));
}

void Model::check_unit(int32_t unit, const char* asked) const {
  if (unit < 0 || static_cast<size_t>(unit) >= units_.size()) {
    throw Error(STRATA_E_ARGUMENT, text(asked, " of unit ", unit, " of ", units_.size()));
  }
}

void Model::init_unit(int32_t unit) {
  check_unit(unit, "init_unit");
  for (const int32_t id : units_[static_cast<size_t>(unit)].params) {
    init_param(id, param(id).tensor.detach());
  }
  init_buffers(unit);
}

void Model::init_buffers(int32_t unit) {
  check_unit(unit, "init_buffers");
  for (const NamedBuffer& b : buffers_) {
    if (b.unit == unit && b.persistent && source_.whole) {
      source_.whole(b.name, b.tensor);  // absent: the model's own value stays
    }
  }
}

void Model::cast_buffers(int32_t unit, int32_t dtype) {
  check_unit(unit, "cast_buffers");
  const at::NoGradGuard no_grad;
  for (const NamedBuffer& b : buffers_) {
    if (b.unit == unit && b.tensor.is_floating_point()) {
      b.tensor.set_data(b.tensor.to(scalar_type(dtype)));
    }
  }
}

void Model::cast_inputs(int32_t unit, InputCast cast) {
  check_unit(unit, "cast_inputs");
  if (unit != 0 && !cast.names.empty()) {
    throw Error(STRATA_E_ARGUMENT, "cast_inputs: only the root's inputs have names");
  }
  input_casts_.resize(units_.size());
  input_casts_[static_cast<size_t>(unit)] = std::move(cast);
}

void Model::zero_grad() {
  bool any = false;
  for (Param& p : params_) {
    any = any || p.touched;
    p.touched = false;
    if (p.grad == nullptr) {
      p.tensor.mutable_grad().reset();
    } else if (!p.tensor.grad().is_same(p.grad_view)) {
      p.tensor.mutable_grad() = p.grad_view;  // something replaced it; the binding is restored
    }
  }
  if (!any) {
    return;
  }
  for (strata_buffer* b : grad_buffers_) {
    if (b->resident && b->bytes > 0) {
      std::memset(b->storage.mutable_data(), 0, static_cast<size_t>(b->bytes));
    }
  }
}

namespace {

Model& model_of(strata_runtime* rt) {
  return *rt->model;
}

strata_rc bind_view(strata_runtime* rt,
                    int32_t param,
                    strata_buffer* b,
                    int64_t offset,
                    int32_t dtype,
                    const int64_t* strides,
                    int32_t keep) {
  return border::guarded(
      [&] { model_of(rt).bind_view(param, b, offset, dtype, strides, keep != 0); });
}

strata_rc bind_grad_view(
    strata_runtime* rt, int32_t param, strata_buffer* b, int64_t offset, int32_t dtype) {
  return border::guarded([&] { model_of(rt).bind_grad_view(param, b, offset, dtype); });
}

strata_rc grad_take(
    strata_runtime* rt, int32_t param, void* dst, int32_t dtype, int32_t accumulate, int32_t* had) {
  return border::guarded(
      [&] { *had = model_of(rt).grad_take(param, dst, dtype, accumulate != 0) ? 1 : 0; });
}

strata_rc touched(strata_runtime* rt, int32_t param, int32_t* out) {
  return border::guarded([&] { *out = model_of(rt).param(param).touched ? 1 : 0; });
}

strata_rc set_touched(strata_runtime* rt, int32_t param, int32_t value) {
  return border::guarded([&] { model_of(rt).param(param).touched = value != 0; });
}

strata_rc init_unit(strata_runtime* rt, int32_t unit) {
  return border::guarded([&] { model_of(rt).init_unit(unit); });
}

strata_rc init_buffers(strata_runtime* rt, int32_t unit) {
  return border::guarded([&] { model_of(rt).init_buffers(unit); });
}

strata_rc cast_buffers(strata_runtime* rt, int32_t unit, int32_t dtype) {
  return border::guarded([&] { model_of(rt).cast_buffers(unit, dtype); });
}

c10::Storage storage_at(void* dst, int64_t elements, int32_t dtype) {
  return {c10::Storage::use_byte_size_t(),
          static_cast<size_t>(elements) * c10::elementSize(scalar_type(dtype)),
          c10::DataPtr(dst, c10::kCPU)};
}

strata_rc init_param(strata_runtime* rt, int32_t param, void* dst, int32_t dtype) {
  return border::guarded([&] {
    Model& m = model_of(rt);
    const at::Tensor& t = m.param(param).tensor;
    m.init_param(
        param,
        view_of(storage_at(dst, t.numel(), dtype), 0, scalar_type(dtype), t.sizes(), t.strides()));
  });
}

strata_rc init_slice(
    strata_runtime* rt, int32_t param, int64_t offset, int64_t count, void* dst, int32_t dtype) {
  return border::guarded([&] {
    Model& m = model_of(rt);
    check_slice(m.param(param), offset, count);
    const c10::Storage storage = storage_at(dst, count, dtype);
    m.init_slice(param, offset, view_of(storage, 0, scalar_type(dtype), {count}, {1}), *rt->memory);
  });
}

}  // namespace

const strata_param_api* param_service() {
  static const strata_param_api api = {STRATA_HDR(strata_param_api),
                                       &bind_view,
                                       &bind_grad_view,
                                       &grad_take,
                                       &touched,
                                       &set_touched,
                                       &init_unit,
                                       &init_param,
                                       &init_buffers,
                                       &cast_buffers,
                                       &init_slice};
  return &api;
}

}  // namespace strata::unit
