// The modules of GPT-2, each a unit, with Hugging Face's types and names.
// Shapes: B batch, T tokens, C width (n_embd), V vocabulary.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "strata/torch/layers.hpp"
#include "strata/torch/transformer_layers.hpp"
#include "strata/torch/unit.hpp"

#include "config.hpp"

namespace strata::gpt2 {

/// Makes units and registers them.
struct STRATA_HIDDEN Parent : torch::nn::Module {
  explicit Parent(const Config& config);

  template <class M, class... Args>
  Unit<M> add(const std::string& name, Args&&... args) {
    auto unit = Unit<M>::make(std::forward<Args>(args)...);
    register_module(name, unit.ptr());
    return unit;
  }

  Unit<Conv1DImpl> linear(const std::string& name, int64_t in, int64_t out) {
    return add<Conv1DImpl>(name, Conv1DImpl::Options{in, out, dtype});
  }

  Unit<LayerNormImpl> norm(const std::string& name, const Config& config) {
    return add<LayerNormImpl>(
        name, LayerNormImpl::Options{config.n_embd, config.layer_norm_epsilon, dtype});
  }

  at::ScalarType dtype;
};

/// Causal self-attention of all heads.
struct STRATA_HIDDEN GPT2AttentionImpl : Parent {
  explicit GPT2AttentionImpl(const Config& config);

  at::Tensor forward(const at::Tensor& x_BTC);

  Unit<Conv1DImpl> c_attn;  // query, key and value, side by side
  Unit<Conv1DImpl> c_proj;

 private:
  int64_t heads_;
  double attn_pdrop_;
  double resid_pdrop_;
  bool scaled_;
};

struct STRATA_HIDDEN GPT2MLPImpl : Parent {
  explicit GPT2MLPImpl(const Config& config);

  at::Tensor forward(const at::Tensor& x_BTC);

  Unit<Conv1DImpl> c_fc;
  Unit<Conv1DImpl> c_proj;

 private:
  using Activation = at::Tensor (*)(const at::Tensor&);

  Activation activation_;
  double resid_pdrop_;
};

struct STRATA_HIDDEN GPT2BlockImpl : Parent {
  explicit GPT2BlockImpl(const Config& config);

  at::Tensor forward(const at::Tensor& x_BTC);

  Unit<LayerNormImpl> ln_1;
  Unit<GPT2AttentionImpl> attn;
  Unit<LayerNormImpl> ln_2;
  Unit<GPT2MLPImpl> mlp;
};

/// The blocks, one after the other.
struct STRATA_HIDDEN ModuleListImpl : Parent {
  explicit ModuleListImpl(const Config& config);

  at::Tensor forward(at::Tensor x_BTC);

  std::vector<Unit<GPT2BlockImpl>> blocks;
};

/// Everything but the head.
struct STRATA_HIDDEN GPT2ModelImpl : Parent {
  explicit GPT2ModelImpl(const Config& config);

  /// Returns [B, T, C].
  at::Tensor forward(const at::Tensor& ids_BT);

  Unit<EmbeddingImpl> wte;
  Unit<EmbeddingImpl> wpe;
  Unit<ModuleListImpl> h;
  Unit<LayerNormImpl> ln_f;

 private:
  double embd_pdrop_;
};

/// The root.
struct STRATA_HIDDEN Net : Parent {
  explicit Net(const Config& config);

  /// Returns logits [B, T, V].
  at::Tensor forward(const at::Tensor& ids_BT) { return lm_head(transformer(ids_BT)); }

  /// Whether the module's result is added to the residual stream.
  [[nodiscard]] bool feeds_the_residual(const torch::nn::Module& module) const;

  Unit<GPT2ModelImpl> transformer;
  Unit<LinearImpl> lm_head;  // its weight may be wte's
};

}  // namespace strata::gpt2
