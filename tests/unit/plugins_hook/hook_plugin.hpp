// The plugins of hooks, loaded and bound to a run that follows a script and takes notes.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "border/object.hpp"
#include "border/runtime.hpp"
#include "config/value.hpp"
#include "hooks/hook_bus.hpp"
#include "hooks/message_hub.hpp"
#include "hooks/run_control.hpp"

namespace strata::hooks {

/// Answers from its members; what it is asked to do goes to `notes`, log lines to `lines`.
class ScriptedRun final : public RunControl {
 public:
  [[nodiscard]] int32_t rank() const override { return rank_; }

  [[nodiscard]] int32_t world_size() const override { return 2; }

  [[nodiscard]] strata_progress progress() const override { return at; }

  [[nodiscard]] const std::string& work_dir() const override { return work_dir_; }

  [[nodiscard]] const std::string& log_dir() const override { return log_dir_; }

  [[nodiscard]] const std::string& experiment_name() const override { return name_; }

  [[nodiscard]] int64_t seed() const override { return 42; }

  [[nodiscard]] std::optional<double> hyper(std::string_view name) override;

  [[nodiscard]] std::optional<double> base_lr() override { return base_lr_; }

  void set_sampler_epoch(int64_t epoch) override { note("sampler epoch ", epoch); }

  void scheduler_step(int32_t when) override { note("schedulers ", when); }

  void stop_training(std::string_view reason) override { note("stop ", reason); }

  void save_checkpoint(const SaveRequest& r) override;

  void refresh_checkpoint(std::string_view out_dir, std::string_view name) override {
    note("refresh ", out_dir, name);
  }

  void remove_checkpoint(std::string_view out_dir, std::string_view name) override;
  std::string publish_checkpoint(std::string_view out_dir,
                                 std::string_view name,
                                 const std::vector<std::string>& keys) override;
  [[nodiscard]] LogLine log_after_iter(int64_t batch_idx, int32_t mode) override;
  [[nodiscard]] LogLine log_after_epoch(int64_t batches, int32_t mode) override;
  void add_scalars(const Scalars& scalars, int64_t step) override;

  strata_progress at = {};
  int32_t rank_ = 0;
  std::string work_dir_ = "/runs/resnet";
  std::string log_dir_ = "/runs/resnet/20240131_235959";
  std::string name_ = "resnet_20240131_235959";
  std::optional<double> base_lr_;
  bool saving_fails = false;
  bool removing_fails = false;
  std::vector<std::string> notes;
  std::vector<std::string> lines;
  /// What the update service has: one parameter, one buffer, and the states of both in one.
  std::vector<float> values = {1, 2, 3, 4};
  std::vector<float> buffer = {10, 20};
  std::map<std::string, std::vector<float>, std::less<>> states;

 private:
  template <class... Parts>
  void note(const Parts&... parts) {
    notes.push_back(text(parts...));
  }
};

class HookPluginTest : public testing::Test {
 protected:
  HookPluginTest();

  /// A hook of a plugin, made from the keys of a table. Errors: as create() gives them.
  border::Object<strata_hook_api> make(const std::string& type, const std::string& toml = {});

  /// Calls a hook at a point. Errors: as on() gives them.
  static void fire(const border::Object<strata_hook_api>& hook,
                   int32_t point,
                   const std::vector<std::pair<std::string, double>>& numbers = {},
                   int64_t batch_idx = -1);

  /// The text of the error that f throws.
  static std::string refusal(const std::function<void()>& f, strata_rc code);

  MessageHub hub_;
  ScriptedRun run_;
  strata_runtime runtime_;

 private:
  std::vector<std::unique_ptr<config::Value>> tables_;
};

}  // namespace strata::hooks
