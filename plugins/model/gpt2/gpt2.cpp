// Inputs, losses and initial values of GPT-2.
#include "gpt2.hpp"

#include <cmath>
#include <utility>

#include <ATen/ops/aminmax.h>

#include "strata/torch/loss.hpp"

#include "modules.hpp"

namespace strata::gpt2 {
namespace {

constexpr int64_t kIgnored = -100;  // a label that counts for nothing, as in torch.nn

// Least and largest element; of none at all {0, -1}.
std::pair<int64_t, int64_t> range_of(const at::Tensor& ids) {
  if (ids.numel() == 0) {
    return {0, -1};
  }
  const auto [low, high] = at::aminmax(ids);
  return {low.item<int64_t>(), high.item<int64_t>()};
}

}  // namespace

Gpt2::Gpt2(Config config) : config_(std::move(config)) {
  if (config_.n_embd % config_.n_head != 0) {
    throw config_error({},
                       "GPT2: n_embd = ",
                       config_.n_embd,
                       " is no multiple of n_head = ",
                       config_.n_head,
                       ": every head takes an equal part of the width");
  }
}

std::shared_ptr<torch::nn::Module> Gpt2::build() {
  net_ = std::make_shared<Net>(config_);
  return net_;
}

void Gpt2::check_ids(const at::Tensor& ids) const {
  if (ids.dim() != 2 || !at::isIntegralType(ids.scalar_type(), /*includeBool=*/false)) {
    throw Error(STRATA_E_ARGUMENT,
                text("GPT2 reads integers [batch, tokens], the field \"input_ids\" is ",
                     ids.scalar_type(),
                     " ",
                     ids.sizes()));
  }
  if (ids.size(1) > config_.n_positions) {
    throw Error(STRATA_E_ARGUMENT,
                text("a sample has ",
                     ids.size(1),
                     " tokens, and the model n_positions = ",
                     config_.n_positions,
                     "; shorten the data set's seq_len or raise n_positions"));
  }
  const auto [low, high] = range_of(ids);
  if (low < 0 || high >= config_.vocab_size) {
    throw Error(STRATA_E_ARGUMENT,
                text("\"input_ids\" has the token ",
                     low < 0 ? low : high,
                     ", and the model knows 0 to ",
                     config_.vocab_size - 1,
                     ": the data are of another vocabulary; set vocab_size to theirs"));
  }
}

void Gpt2::check_labels(const at::Tensor& labels, const at::Tensor& ids) const {
  if (labels.sizes() != ids.sizes()) {
    throw Error(STRATA_E_ARGUMENT,
                text("\"labels\" is ",
                     labels.sizes(),
                     " and \"input_ids\" ",
                     ids.sizes(),
                     ": GPT2 wants the next token of each"));
  }
  const at::Tensor counted = labels.masked_select(labels.ne(kIgnored));
  const auto [low, high] = range_of(counted);
  if (low < 0 || high >= config_.vocab_size) {
    throw Error(STRATA_E_ARGUMENT,
                text("\"labels\" has ",
                     low < 0 ? low : high,
                     "; a label is a token from 0 to ",
                     config_.vocab_size - 1,
                     ", or ",
                     kIgnored,
                     " where none counts"));
  }
}

Tensors Gpt2::forward(const Tensors& batch, Mode mode) {
  const at::Tensor& ids_BT = batch.get("input_ids");
  check_ids(ids_BT);
  const at::Tensor logits_BTV = net_->forward(ids_BT.to(at::kLong));
  Tensors out;
  if (mode == Mode::kLoss || (mode == Mode::kPredict && batch.has("labels"))) {
    const at::Tensor& labels_BT = batch.get("labels");
    check_labels(labels_BT, ids_BT);
    out.put("loss", classification_loss(logits_BTV.flatten(0, 1), labels_BT.flatten()));
  }
  if (mode != Mode::kLoss) {
    out.put("logits", logits_BTV);
  }
  return out;
}

std::string Gpt2::weight_name(std::string_view stored) const {
  if (stored.ends_with(".attn.bias") || stored.ends_with(".attn.masked_bias")) {
    return {};
  }
  const bool whole = stored.starts_with("transformer.") || stored.starts_with("lm_head.");
  return whole ? std::string(stored) : text("transformer.", stored);
}

// The residual stream sums 2 n_layer results: their weights begin smaller by its root (GPT-2, 2.3).
void Gpt2::init_value(const torch::nn::Module& module,
                      const std::string& leaf,
                      at::Tensor& out,
                      const at::Generator& generator) {
  if (leaf == "bias") {
    out.zero_();
  } else if (dynamic_cast<const LayerNormImpl*>(&module) != nullptr) {
    out.fill_(1.0);
  } else {
    const double shrink = net_->feeds_the_residual(module)
                              ? std::sqrt(2.0 * static_cast<double>(config_.n_layer))
                              : 1.0;
    out.normal_(0.0, config_.initializer_range / shrink, generator);
  }
}

}  // namespace strata::gpt2
