// GPT-2 (Radford et al. 2019) as a model: what Hugging Face's GPT2LMHeadModel computes.
#pragma once

#include <memory>
#include <string>

#include "strata/torch/model.hpp"

#include "config.hpp"

namespace strata::gpt2 {

struct Net;

class STRATA_HIDDEN Gpt2 final : public Model {
 public:
  /// Errors: STRATA_E_CONFIG when the heads do not divide the width.
  explicit Gpt2(Config config);

  std::shared_ptr<torch::nn::Module> build() override;
  Tensors forward(const Tensors& batch, Mode mode) override;
  void init_value(const torch::nn::Module& module,
                  const std::string& leaf,
                  at::Tensor& out,
                  const at::Generator& generator) override;
  /// Files have the transformer alone without its prefix, old ones the causal masks as well.
  [[nodiscard]] std::string weight_name(std::string_view stored) const override;

 private:
  void check_ids(const at::Tensor& ids) const;
  void check_labels(const at::Tensor& labels, const at::Tensor& ids) const;

  Config config_;
  std::shared_ptr<Net> net_;
};

}  // namespace strata::gpt2
