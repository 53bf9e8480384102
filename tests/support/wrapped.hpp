// An optim_wrapper plugin under a run that only takes notes.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "border/sinks.hpp"
#include "optim_host.hpp"

namespace strata::test {

/// A wrapper of a plugin library that has begun. max_iters 0: unknown.
struct WrappedIn {
  WrappedIn(const std::string& library,
            const std::string& type,
            const std::string& keys,
            int64_t max_iters,
            int32_t device)
      : plugin(library),
        object(plugin.create<strata_optim_wrapper_api>(
            type, keys + "\n[optimizer]\ntype = \"SGD\"\n", &run)) {
    const strata_wrapper_begin_args args = {
        STRATA_HDR(strata_wrapper_begin_args), 0, max_iters, {device, 0}};
    object.call(&strata_optim_wrapper_api::begin, &args);
  }

  [[nodiscard]] std::pair<int32_t, int32_t> window(int64_t iter) const {
    std::pair<int32_t, int32_t> out;
    object.call(&strata_optim_wrapper_api::window, iter, &out.first, &out.second);
    return out;
  }

  [[nodiscard]] double loss_factor(int32_t n_micro = 1) const {
    const strata_step_ctx ctx = {STRATA_HDR(strata_step_ctx), 0, 0, 0, n_micro, 0, 0, nullptr};
    double out = 0;
    object.call(&strata_optim_wrapper_api::loss_factor, &ctx, &out);
    return out;
  }

  strata_step_result step() {
    run.calls.clear();
    const strata_step_ctx ctx = {STRATA_HDR(strata_step_ctx), 0, 0, 0, 1, 0, 0, nullptr};
    strata_step_result out{};
    object.call(&strata_optim_wrapper_api::step, &ctx, &out);
    return out;
  }

  /// Enters and leaves the context.
  std::vector<std::string> context() {
    run.calls.clear();
    const strata_step_ctx ctx = {STRATA_HDR(strata_step_ctx), 0, 0, 0, 1, 0, 0, nullptr};
    object.call(&strata_optim_wrapper_api::context_enter, &ctx);
    object.call(&strata_optim_wrapper_api::context_exit, &ctx);
    return run.calls;
  }

  [[nodiscard]] std::string save() const {
    const border::TextSink sink;
    object.call(&strata_optim_wrapper_api::save, sink.c());
    return sink.str();
  }

  void load(const std::string& json) const {
    object.call(&strata_optim_wrapper_api::load, border::view(std::string_view(json)));
  }

  OptimPlugin plugin;
  FakeRun run;
  border::Object<strata_optim_wrapper_api> object;
};

/// One with a loss scale.
struct ScaledWrapped : WrappedIn {
  using WrappedIn::WrappedIn;

  /// The scale after each of these updates; 'O' is one that overflows.
  std::vector<double> scales(const std::string& updates) {
    std::vector<double> out;
    for (const char update : updates) {
      run.found_inf = update == 'O';
      skipped += step().skipped;
      out.push_back(loss_factor());
    }
    return out;
  }

  int skipped = 0;
};

}  // namespace strata::test
