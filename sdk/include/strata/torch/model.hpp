// Base class of models: a torch::nn::Module, a forward for each mode, and the rest from the module tree.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include <ATen/CPUGeneratorImpl.h>
#include <torch/nn/module.h>

#include "strata/abi/model.h"
#include "strata/cpp/plugin.hpp"
#include "strata/torch/init.hpp"
#include "strata/torch/unit.hpp"

namespace strata {

enum class Mode : int32_t {
  kLoss =
      STRATA_FORWARD_LOSS,  ///< outputs whose names contain "loss" are summed and differentiated
  kPredict = STRATA_FORWARD_PREDICT,  ///< what metrics read
  kTensor = STRATA_FORWARD_TENSOR     ///< the bare result
};

/// A batch or a model's outputs: tensors in order, by name.
class STRATA_HIDDEN Tensors {
 public:
  void put(std::string name, at::Tensor value) {
    items_.emplace_back(std::move(name), std::move(value));
  }

  /// Errors: STRATA_E_NOT_FOUND listing the names there are.
  [[nodiscard]] const at::Tensor& get(std::string_view name) const {
    std::string names;
    for (const auto& [key, value] : items_) {
      if (key == name) {
        return value;
      }
      names += " " + key;
    }
    throw Error(STRATA_E_NOT_FOUND, text("the batch has no field \"", name, "\"; it has:", names));
  }

  [[nodiscard]] bool has(std::string_view name) const {
    for (const auto& [key, value] : items_) {
      if (key == name) {
        return true;
      }
    }
    return false;
  }

  [[nodiscard]] const std::vector<std::pair<std::string, at::Tensor>>& items() const {
    return items_;
  }

 private:
  std::vector<std::pair<std::string, at::Tensor>> items_;
};

namespace detail {

/// "Bottleneck" of "strata::MarkedModule<(anonymous namespace)::BottleneckImpl>".
STRATA_HIDDEN inline std::string short_type(std::string name) {
  const auto end = name.find_last_not_of('>');
  name.resize(end == std::string::npos ? 0 : end + 1);
  name.erase(0, name.find_last_of(":<") + 1);
  if (name.size() > 4 && name.ends_with("Impl")) {
    name.resize(name.size() - 4);
  }
  return name;
}

}  // namespace detail

/// A model. Derive, build the module tree in build(), answer forward(). Parameter names are the module tree's.
///
/// Modules held by strata::Unit are units; a parameter outside of any belongs to the nearest enclosing one, at last to the
/// root. A module registered in two places shares its parameters (tied weights): the first place owns them.
class STRATA_HIDDEN Model : public Component {
 public:
  using KindBase = Model;

  /// Makes the module tree. Its values do not matter: the host asks init_value() for each parameter.
  virtual std::shared_ptr<torch::nn::Module> build() = 0;

  virtual Tensors forward(const Tensors& batch, Mode mode) = 0;

  /// Writes the initial value of one parameter. module: the one that registered it, under `leaf`. Default: LibTorch's own
  /// initialisation of Linear, Conv, Embedding and norm layers.
  virtual void init_value(const torch::nn::Module& module,
                          const std::string& leaf,
                          at::Tensor& out,
                          const at::Generator& generator) {
    default_init(module, leaf, out, generator);
  }

  /// What the model calls the tensor that a weight file holds under `stored`; empty: of no use to it, on purpose. For
  /// files that others wrote. What units borrow needs no word here.
  [[nodiscard]] virtual std::string weight_name(std::string_view stored) const {
    return std::string(stored);
  }

  void build_into(const strata_model_sink& sink) {
    root_ = build();
    Walk walk{*this, sink, {}};
    walk.visit(*root_, "", 0, true);
  }

  void init_named(std::string_view name, uint64_t seed, at::Tensor& out) {
    const auto it = owners_.find(std::string(name));
    if (it == owners_.end()) {
      throw Error(STRATA_E_NOT_FOUND, text("the model has no parameter \"", name, "\""));
    }
    const at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(seed);
    const at::NoGradGuard no_grad;
    init_value(*it->second.module, it->second.leaf, out, generator);
  }

  void set_training(bool training) { root_->train(training); }

 private:
  struct Owner {
    const torch::nn::Module* module;
    std::string leaf;
  };

  struct Walk {
    Model& model;
    const strata_model_sink& sink;
    std::unordered_map<const c10::TensorImpl*, int32_t> seen;

    void visit(torch::nn::Module& module, const std::string& path, int32_t unit, bool root) {
      const std::string prefix = path.empty() ? "" : path + ".";
      if (auto* mark = dynamic_cast<UnitMark*>(&module); mark != nullptr && !root) {
        int32_t id = 0;
        const std::string type = detail::short_type(module.name());
        check(sink.unit(
            sink.ctx, unit, view(std::string_view(path)), view(std::string_view(type)), &id));
        mark->set_unit(id);
        unit = id;
      }
      if (auto* aware = dynamic_cast<RuntimeAware*>(&module)) {
        aware->bind(model.runtime());
      }
      for (auto& item : module.named_parameters(/*recurse=*/false)) {
        parameter(module, item.key(), item.value(), prefix + item.key(), unit);
      }
      for (auto& item : module.named_buffers(/*recurse=*/false)) {
        const std::string name = prefix + item.key();
        check(sink.buffer(sink.ctx, unit, view(std::string_view(name)), &item.value(), 1));
      }
      for (auto& item : module.named_children()) {
        visit(*item.value(), prefix + item.key(), unit, false);
      }
    }

    void parameter(const torch::nn::Module& module,
                   const std::string& leaf,
                   at::Tensor& value,
                   const std::string& name,
                   int32_t unit) {
      const auto known = seen.find(value.unsafeGetTensorImpl());
      if (known != seen.end()) {
        check(sink.borrow(sink.ctx, unit, known->second, view(std::string_view(name))));
        return;
      }
      int32_t id = 0;
      const std::string type = detail::short_type(module.name());
      check(sink.param(sink.ctx,
                       unit,
                       view(std::string_view(name)),
                       view(std::string_view(type)),
                       &value,
                       0,
                       &id));
      seen.emplace(value.unsafeGetTensorImpl(), id);
      model.owners_.emplace(name, Owner{&module, leaf});
    }
  };

  std::shared_ptr<torch::nn::Module> root_;
  std::map<std::string, Owner> owners_;
};

namespace detail {

struct STRATA_HIDDEN ModelThunks {
  static Model& self(void* p) { return *static_cast<Model*>(p); }

  static strata_rc build(void* p, const strata_model_sink* sink) {
    return guarded([&] { self(p).build_into(*sink); });
  }

  static strata_rc forward(void* p,
                           int32_t mode,
                           const strata_native_field* batch,
                           uint64_t n,
                           const strata_output_sink* out) {
    return guarded([&] {
      Tensors inputs;
      for (uint64_t i = 0; i < n; ++i) {
        inputs.put(std::string(view(batch[i].name)), *static_cast<at::Tensor*>(batch[i].tensor));
      }
      const Tensors outputs = self(p).forward(inputs, static_cast<Mode>(mode));
      for (const auto& [name, value] : outputs.items()) {
        at::Tensor handle = value;
        check(out->put(out->ctx, view(std::string_view(name)), &handle));
      }
    });
  }

  static strata_rc set_training(void* p, int32_t training) {
    return guarded([&] { self(p).set_training(training != 0); });
  }

  static strata_rc init_value(void* p, strata_str name, uint64_t seed, strata_native_tensor* out) {
    return guarded([&] { self(p).init_named(view(name), seed, *static_cast<at::Tensor*>(out)); });
  }

  static strata_rc weight_name(void* p, strata_str stored, const strata_text_sink* out) {
    return guarded([&] {
      const std::string name = self(p).weight_name(view(stored));
      check(out->put(out->ctx, view(std::string_view(name))));
    });
  }
};

template <>
struct KindOf<Model> {
  static constexpr const char* kName = STRATA_KIND_MODEL;

  static const void* table() {
    using T = ModelThunks;
    static const strata_model_api api = {ObjectThunks<Model>::head<strata_model_api>(),
                                         &T::build,
                                         &T::forward,
                                         &T::set_training,
                                         &T::init_value,
                                         &T::weight_name};
    return &api;
  }
};

}  // namespace detail
}  // namespace strata
