// Building a model through its plugin, and the description of it that strategies get.
#include "unit/model.hpp"

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>

#include <ATen/core/grad_mode.h>

#include "border/sinks.hpp"

namespace strata::unit {

// The sink a model plugin's build() fills.
struct ModelSink {
  Model& model;

  static Model& of(void* ctx) { return static_cast<ModelSink*>(ctx)->model; }

  static void check_unit(const Model& m, int32_t unit) {
    if (unit < 0 || static_cast<size_t>(unit) >= m.units_.size()) {
      throw Error(STRATA_E_ARGUMENT, text("the model names unit ", unit, " of ", m.units_.size()));
    }
  }

  static strata_rc unit(void* ctx, int32_t parent, strata_str name, strata_str type, int32_t* out) {
    return border::guarded([&] {
      Model& m = of(ctx);
      check_unit(m, parent);
      *out = static_cast<int32_t>(m.units_.size());
      m.units_.push_back(
          {std::string(border::view(name)), std::string(border::view(type)), parent, {}, {}});
    });
  }

  static strata_rc param(void* ctx,
                         int32_t unit,
                         strata_str name,
                         strata_str module,
                         strata_native_tensor* tensor,
                         uint32_t,
                         int32_t* out) {
    return border::guarded([&] {
      Model& m = of(ctx);
      check_unit(m, unit);
      Param p;
      p.name = std::string(border::view(name));
      p.module = std::string(border::view(module));
      p.tensor = *static_cast<at::Tensor*>(tensor);
      p.unit = unit;
      p.group = p.tensor.requires_grad() ? 0 : -1;
      if (!p.tensor.is_leaf() || p.tensor.dim() > STRATA_MAX_DIMS) {
        throw Error(STRATA_E_UNSUPPORTED,
                    text("parameter \"",
                         p.name,
                         "\" must be a leaf of at most ",
                         STRATA_MAX_DIMS,
                         " dimensions"));
      }
      *out = static_cast<int32_t>(m.params_.size());
      m.units_[static_cast<size_t>(unit)].params.push_back(*out);
      m.params_.push_back(std::move(p));
    });
  }

  static strata_rc borrow(void* ctx, int32_t unit, int32_t param, strata_str name) {
    return border::guarded([&] {
      Model& m = of(ctx);
      check_unit(m, unit);
      Param& p = m.param(param);
      p.aliases.emplace_back(border::view(name));
      if (p.unit != unit) {
        m.units_[static_cast<size_t>(unit)].borrowed.push_back(param);
      }
    });
  }

  static strata_rc buffer(
      void* ctx, int32_t unit, strata_str name, strata_native_tensor* tensor, int32_t persistent) {
    return border::guarded([&] {
      Model& m = of(ctx);
      check_unit(m, unit);
      m.buffers_.push_back({std::string(border::view(name)),
                            *static_cast<at::Tensor*>(tensor),
                            unit,
                            persistent != 0});
    });
  }
};

Model::Model(border::Object<strata_model_api> object, uint64_t seed)
    : object_(std::move(object)), seed_(seed) {
  units_.push_back({"", object_.type(), -1, {}, {}});
  ModelSink owner{*this};
  const strata_model_sink sink = {
      &owner, &ModelSink::unit, &ModelSink::param, &ModelSink::borrow, &ModelSink::buffer};
  object_.call(&strata_model_api::build, &sink);
  recomputed_.assign(units_.size(), false);
}

Param& Model::param(int32_t id) {
  if (id < 0 || static_cast<size_t>(id) >= params_.size()) {
    throw Error(STRATA_E_ARGUMENT, text("parameter ", id, " of ", params_.size(), " was named"));
  }
  return params_[static_cast<size_t>(id)];
}

void Model::set_groups(const std::vector<int32_t>& groups) {
  for (size_t i = 0; i < params_.size(); ++i) {
    params_[i].group = groups.at(i);
  }
}

const strata_model_desc& Model::desc() {
  param_descs_.clear();
  for (const Param& p : params_) {
    strata_param_desc d{};
    d.name = border::view(std::string_view(p.name));
    std::copy(p.tensor.sizes().begin(), p.tensor.sizes().end(), d.shape);
    std::copy(p.tensor.strides().begin(), p.tensor.strides().end(), d.stride);
    d.numel = p.tensor.numel();
    d.ndim = static_cast<int32_t>(p.tensor.dim());
    d.dtype = dtype_of(p.tensor.scalar_type());
    d.unit = p.unit;
    d.group = p.group;
    d.flags = p.tensor.requires_grad() ? uint32_t{STRATA_PARAM_TRAINABLE} : 0U;
    param_descs_.push_back(d);
  }
  unit_descs_.clear();
  for (const Unit& u : units_) {
    unit_descs_.push_back({border::view(std::string_view(u.name)),
                           border::view(std::string_view(u.type)),
                           u.parent,
                           0,
                           u.params.data(),
                           u.params.size(),
                           u.borrowed.data(),
                           u.borrowed.size()});
  }
  desc_ = {STRATA_HDR(strata_model_desc),
           unit_descs_.data(),
           unit_descs_.size(),
           param_descs_.data(),
           param_descs_.size()};
  return desc_;
}

void Model::set_recomputed(const std::vector<int32_t>& units) {
  recomputed_.assign(units_.size(), false);
  for (const int32_t unit : units) {
    recomputed_.at(static_cast<size_t>(unit)) = true;
  }
}

std::string Model::weight_name(const std::string& stored) const {
  if (!object_.has(&strata_model_api::weight_name)) {
    return stored;
  }
  const border::TextSink name;
  object_.call(&strata_model_api::weight_name, border::view(std::string_view(stored)), name.c());
  return name.str();
}

void Model::set_training(bool training) {
  object_.call(&strata_model_api::set_training, training ? 1 : 0);
}

}  // namespace strata::unit
