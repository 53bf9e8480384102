// A model as the host knows it: units, parameters, buffers, and their binding to storage.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "strata/abi/model.h"
#include "strata/abi/strategy.h"

#include "border/object.hpp"
#include "unit/memory.hpp"

namespace strata::unit {

struct Param {
  std::string name;
  std::string module;                // type of the module that registered it
  std::vector<std::string> aliases;  // what borrowing units call it
  at::Tensor tensor;                 // the module's own leaf
  int32_t unit = 0;
  int32_t group = 0;  // of the optimizer; -1: frozen
  bool touched = false;
  strata_buffer* value = nullptr;
  strata_buffer* grad = nullptr;
  at::Tensor grad_view;  // undefined until bind_grad_view
};

struct NamedBuffer {
  std::string name;
  at::Tensor tensor;
  int32_t unit = 0;
  bool persistent = true;
};

struct Unit {
  std::string name;  // "" for the root
  std::string type;
  int32_t parent = -1;
  std::vector<int32_t> params;
  std::vector<int32_t> borrowed;
};

/// Element type that a unit's floating-point inputs are brought to.
struct InputCast {
  at::ScalarType dtype = at::ScalarType::Undefined;  // Undefined: they stay
  std::vector<std::string> names;  // fields of the batch, or their positions; empty: all
};

/// Where a parameter or buffer finds its stored value. Both are empty when there is no such place, and both give false
/// when it has none of that name and shape.
struct ValueSource {
  std::function<bool(const std::string& name, const at::Tensor& out)> whole;
  /// Elements from `offset` on of the flattened row-major tensor of `shape`, as many as `out` (one dimension) has.
  std::function<bool(
      const std::string& name, at::IntArrayRef shape, int64_t offset, const at::Tensor& out)>
      slice;
};

/// Owns the model object of one rank. [main]
class Model {
 public:
  /// Builds the model: its units, parameters and buffers. seed: of the initial values.
  Model(border::Object<strata_model_api> object, uint64_t seed);
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  [[nodiscard]] const std::vector<Unit>& units() const { return units_; }

  [[nodiscard]] std::vector<Param>& params() { return params_; }

  [[nodiscard]] const std::vector<Param>& params() const { return params_; }

  [[nodiscard]] const std::vector<NamedBuffer>& buffers() const { return buffers_; }

  [[nodiscard]] const border::Object<strata_model_api>& object() const { return object_; }

  /// Optimizer groups, one per parameter (-1: frozen). Before desc() is handed out.
  void set_groups(const std::vector<int32_t>& groups);

  /// Where init_unit(), init_param() and init_slice() look before drawing an initial value.
  void set_source(ValueSource source) { source_ = std::move(source); }

  /// The description strategies get; valid as long as this.
  [[nodiscard]] const strata_model_desc& desc();

  void bind_view(int32_t param,
                 strata_buffer* buffer,
                 int64_t byte_offset,
                 int32_t dtype,
                 const int64_t* strides,
                 bool keep);
  void bind_grad_view(int32_t param, strata_buffer* buffer, int64_t byte_offset, int32_t dtype);
  bool grad_take(int32_t param, void* dst, int32_t dtype, bool accumulate);
  void init_unit(int32_t unit);
  /// Brings stored values to the unit's buffers; without any they keep what the model gave them.
  void init_buffers(int32_t unit);
  void cast_buffers(int32_t unit, int32_t dtype);
  void cast_inputs(int32_t unit, InputCast cast);

  [[nodiscard]] const InputCast& input_cast(int32_t unit) const {
    return input_casts_[static_cast<size_t>(unit)];
  }

  [[nodiscard]] bool casts_inputs() const { return !input_casts_.empty(); }

  /// out: any strides, the parameter's shape.
  void init_param(int32_t param, const at::Tensor& out);
  /// Elements from `offset` on of the parameter as its memory lies, as many as `out` (one dimension, at the begin of its
  /// storage) has; none beyond its end. What has to be made whole first is so in a buffer of `memory`, tag "unit", that
  /// is given back.
  void init_slice(int32_t param, int64_t offset, const at::Tensor& out, Memory& memory);
  /// Clears all gradients: memory of resident gradient buffers that were touched, and unbound gradients.
  void zero_grad();
  void set_training(bool training);
  /// Units whose forward runs again in backward (recompute.hpp). Before training.
  void set_recomputed(const std::vector<int32_t>& units);

  [[nodiscard]] bool recomputed(int32_t unit) const {
    return recomputed_[static_cast<size_t>(unit)];
  }

  /// What the model calls the tensor that a weight file holds under `stored`; empty: of no use to it.
  [[nodiscard]] std::string weight_name(const std::string& stored) const;

  Param& param(int32_t id);

 private:
  friend struct ModelSink;

  void check_unit(int32_t unit, const char* asked) const;
  void draw(int32_t param, const at::Tensor& out);

  border::Object<strata_model_api> object_;
  uint64_t seed_;
  std::vector<Unit> units_;
  std::vector<Param> params_;
  std::vector<NamedBuffer> buffers_;
  std::vector<strata_buffer*> grad_buffers_;
  std::vector<InputCast> input_casts_;  // by unit; empty until one is asked for
  ValueSource source_;
  std::vector<bool> recomputed_;  // per unit
  std::vector<strata_unit_desc> unit_descs_;
  std::vector<strata_param_desc> param_descs_;
  strata_model_desc desc_{};
};

/// The seed of one parameter's initial value: a function of the run's seed and the name alone.
uint64_t seed_of(uint64_t seed, std::string_view name);

const strata_param_api* param_service();

}  // namespace strata::unit
