// Gemini: parameters, gradients and optimizer state in chunks cut over ranks, placed and evicted while running.
#pragma once

#include <cstdint>
#include <vector>

#include "strata/kit/flat_shard.hpp"

#include "chunks.hpp"

namespace strata::colossalai {

/// Decides from unit events when a chunk is needed and when its gradients may take the place of its values: after the
/// backward of a unit and of all units that borrow from it. Frozen parameters lie whole on every rank, in no chunk.
class STRATA_HIDDEN Gemini final : public Strategy {
 public:
  explicit Gemini(const GeminiConfig& config) : config_(config) {}

  [[nodiscard]] strata_strategy_caps describe() const override;
  void estimate(const strata_estimate_args& args, strata_estimate& out) override;
  void setup_env(const strata_setup_args& args) override;
  void plan_units(const ModelView& model, std::span<strata_unit_plan> plan) override;
  void materialize(int32_t unit) override;
  void optim_views(const OptimViewSink& out) override;
  void iter_begin(const strata_step_ctx& ctx) override;
  void pre_forward(int32_t unit, const strata_step_ctx& ctx) override;
  void post_forward(int32_t unit, const strata_step_ctx& ctx) override;
  void pre_backward(int32_t unit, const strata_step_ctx& ctx) override;
  void post_backward(int32_t unit, const strata_step_ctx& ctx) override;
  void unit_grads_ready(int32_t unit, int32_t pass, const strata_step_ctx& ctx) override;
  void backward_done(const strata_step_ctx& ctx) override;
  void iter_end(const strata_step_ctx& ctx) override;
  void abort_iter(const strata_step_ctx& ctx) noexcept override;
  void pre_step(const strata_step_ctx& ctx) override;
  void post_step(const strata_step_ctx& ctx) override;
  void values_changed() override;
  void scope_enter(std::span<const int32_t> units, bool write) override;
  void scope_exit(std::span<const int32_t> units, bool write) override;
  void stats(const strata_number_sink& out) override;

 private:
  /// In this backward.
  struct Progress {
    bool waiting = false;  // gradients are there that could not be taken yet
    bool taken = false;
  };

  void use(int32_t unit, const strata_step_ctx& ctx);
  void take_if_unused(int32_t unit);
  void take(int32_t unit);
  void report() const;

  const GeminiConfig& config_;
  strata_setup_args setup_{};
  kit::Mesh mesh_;
  ModelView model_;
  ChunkPlan plan_;
  Chunks chunks_;
  std::vector<kit::FlatShard> frozen_;
  std::vector<Progress> progress_;  // by unit
  std::vector<int32_t>
      waits_for_;              // by chunk: units whose gradients have not come in this backward
  std::vector<uint8_t> used_;  // by chunk: in this iteration, and not reduced since
  std::vector<int32_t> uses_;  // units since the last update, to be compared with the other ranks'
};

}  // namespace strata::colossalai
