// Forwards of GPT-2's modules.
#include "modules.hpp"

#include <ATen/ops/arange.h>
#include <ATen/ops/dropout.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/scaled_dot_product_attention.h>

namespace strata::gpt2 {
namespace {

at::ScalarType dtype_named(const std::string& name) {
  if (name == "float64") {
    return at::kDouble;
  }
  if (name == "bfloat16") {
    return at::kBFloat16;
  }
  return name == "float16" ? at::kHalf : at::kFloat;
}

}  // namespace

Parent::Parent(const Config& config) : dtype(dtype_named(config.dtype)) {}

GPT2AttentionImpl::GPT2AttentionImpl(const Config& config)
    : Parent(config),
      c_attn(linear("c_attn", config.n_embd, 3 * config.n_embd)),
      c_proj(linear("c_proj", config.n_embd, config.n_embd)),
      heads_(config.n_head),
      attn_pdrop_(config.attn_pdrop),
      resid_pdrop_(config.resid_pdrop),
      scaled_(config.scale_attn_weights) {}

at::Tensor GPT2AttentionImpl::forward(const at::Tensor& x_BTC) {
  const int64_t width = x_BTC.size(2);
  const auto parts = c_attn(x_BTC).split(width, 2);
  // [B, T, C] -> [B, heads, T, C / heads]
  const auto heads = [&](const at::Tensor& part) {
    return part.view({part.size(0), part.size(1), heads_, width / heads_}).transpose(1, 2);
  };
  const at::Tensor y =
      at::scaled_dot_product_attention(heads(parts[0]),
                                       heads(parts[1]),
                                       heads(parts[2]),
                                       /*attn_mask=*/{},
                                       is_training() ? attn_pdrop_ : 0.0,
                                       /*is_causal=*/true,
                                       scaled_ ? std::nullopt : std::optional<double>(1.0));
  return at::dropout(c_proj(y.transpose(1, 2).reshape(x_BTC.sizes())), resid_pdrop_, is_training());
}

GPT2MLPImpl::GPT2MLPImpl(const Config& config)
    : Parent(config),
      c_fc(linear("c_fc", config.n_embd, config.n_inner.value_or(4 * config.n_embd))),
      c_proj(linear("c_proj", config.n_inner.value_or(4 * config.n_embd), config.n_embd)),
      resid_pdrop_(config.resid_pdrop) {
  if (config.activation_function == "relu") {
    activation_ = &at::relu;
  } else if (config.activation_function == "gelu") {
    activation_ = [](const at::Tensor& x) { return at::gelu(x); };
  } else {
    activation_ = [](const at::Tensor& x) { return at::gelu(x, "tanh"); };
  }
}

at::Tensor GPT2MLPImpl::forward(const at::Tensor& x_BTC) {
  return at::dropout(c_proj(activation_(c_fc(x_BTC))), resid_pdrop_, is_training());
}

GPT2BlockImpl::GPT2BlockImpl(const Config& config)
    : Parent(config),
      ln_1(norm("ln_1", config)),
      attn(add<GPT2AttentionImpl>("attn", config)),
      ln_2(norm("ln_2", config)),
      mlp(add<GPT2MLPImpl>("mlp", config)) {}

at::Tensor GPT2BlockImpl::forward(const at::Tensor& x_BTC) {
  const at::Tensor attended_BTC = x_BTC + attn(ln_1(x_BTC));
  return attended_BTC + mlp(ln_2(attended_BTC));
}

ModuleListImpl::ModuleListImpl(const Config& config) : Parent(config) {
  for (int64_t i = 0; i < config.n_layer; ++i) {
    blocks.push_back(add<GPT2BlockImpl>(std::to_string(i), config));
  }
}

at::Tensor ModuleListImpl::forward(at::Tensor x_BTC) {
  for (const auto& block : blocks) {
    x_BTC = block(x_BTC);
  }
  return x_BTC;
}

GPT2ModelImpl::GPT2ModelImpl(const Config& config)
    : Parent(config),
      wte(add<EmbeddingImpl>("wte",
                             EmbeddingImpl::Options{config.vocab_size, config.n_embd, dtype})),
      wpe(add<EmbeddingImpl>("wpe",
                             EmbeddingImpl::Options{config.n_positions, config.n_embd, dtype})),
      h(add<ModuleListImpl>("h", config)),
      ln_f(norm("ln_f", config)),
      embd_pdrop_(config.embd_pdrop) {}

at::Tensor GPT2ModelImpl::forward(const at::Tensor& ids_BT) {
  const at::Tensor positions_T = at::arange(ids_BT.size(1), ids_BT.options());
  const at::Tensor x_BTC = wte(ids_BT) + wpe(positions_T);
  return ln_f(h(at::dropout(x_BTC, embd_pdrop_, is_training())));
}

Net::Net(const Config& config)
    : Parent(config), transformer(add<GPT2ModelImpl>("transformer", config)) {
  lm_head = config.tie_word_embeddings
                ? add<LinearImpl>("lm_head", transformer->wte->weight)
                : add<LinearImpl>(
                      "lm_head",
                      LinearImpl::Options{config.n_embd, config.vocab_size, /*bias=*/false, dtype});
}

bool Net::feeds_the_residual(const torch::nn::Module& module) const {
  for (const auto& block : transformer->h->blocks) {
    if (block->attn->c_proj.ptr().get() == &module || block->mlp->c_proj.ptr().get() == &module) {
      return true;
    }
  }
  return false;
}

}  // namespace strata::gpt2
