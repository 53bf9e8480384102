// Stage 3: parameters, gradients and optimizer state are cut over ranks; a module is whole while it is used.
#pragma once

#include <vector>

#include "strata/kit/sharded_strategy.hpp"

#include "settings/config.hpp"

namespace strata::deepspeed {

class STRATA_HIDDEN Stage3 final : public kit::ShardedStrategy {
 public:
  explicit Stage3(const DeepSpeedConfig& config) : config_(config) {}

  [[nodiscard]] strata_strategy_caps describe() const override;
  void estimate(const strata_estimate_args& args, strata_estimate& out) override;
  void setup_env(const strata_setup_args& args) override;
  void plan_units(const ModelView& model, std::span<strata_unit_plan> plan) override;

 private:
  [[nodiscard]] kit::ShardedOptions options(const ModelView& model, const kit::Mesh& mesh) const;
  [[nodiscard]] std::vector<int32_t> owners(const ModelView& model) const;
  [[nodiscard]] std::vector<uint8_t> persistent(const ModelView& model) const;
  [[nodiscard]] bool is_leaf(const ModelView& model, size_t unit) const;

  const DeepSpeedConfig& config_;
  kit::Mesh mesh_;
};

}  // namespace strata::deepspeed
