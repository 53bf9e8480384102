// Real engines (model, strategy, optimizer as plugins) on thread ranks, fed with numbers from a formula.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "checkpoint/tensor_reader.hpp"
#include "train/engine.hpp"
#include "train/session.hpp"

namespace strata::test {

inline constexpr const char* kMlp =
    R"(type = "MLP", in_features = 20, hidden = [33, 17], num_classes = 5, activation = "gelu")";

/// What one run is made of. Every micro-batch has `samples` rows; micro-batch m of step s is the same in every run,
/// whichever rank sees it.
struct EngineRun {
  std::string strategy = "SingleDeviceStrategy";  // a type, or an inline table "{ type = …, … }"
  std::string model = kMlp;                       // what stands in the model's table beside dtype
  int world = 1;
  int accumulation = 1;  // micro-batches per rank and step
  int joined = 1;        // micro-batches put together into one
  int steps = 50;
  int64_t samples = 6;
  std::vector<int64_t> shape = {20};  // of a sample
  std::string dtype = "float32";
  std::string optimizer = R"({ type = "AdamW", lr = 1e-2 })";
  std::string wrapper{};  // further lines of [optim_wrapper]
  /// Micro-batches [first, first + count) joined into one; absent: 20 numbers and a label in six rows.
  std::function<unit::Fields(int64_t first, int64_t count)> batches{};
  /// Writes a parameter's value before the first step; absent: the model's own initial values.
  std::function<void(const std::string& name, const at::Tensor& out)> values{};
  std::string wrapper_type = "OptimWrapper";
  std::string more{};  // further lines at the top
  bool keep_updates = false;
  bool poison = true;
  std::string backend = "threads";
  std::string resume{};  // a checkpoint to go on from
  int first_step = 0;    // updates done before
  /// What a rank's model starts from; absent: initial values, or those of `resume`.
  std::function<std::unique_ptr<checkpoint::TensorReader>(int rank)> stored{};
  /// Before the first step and after the last one, on every rank.
  std::function<void(train::Session&, train::Engine&)> initially{};
  std::function<void(train::Session&, train::Engine&)> finally{};
  /// After each step, on every rank.
  std::function<void(train::Session&, train::Engine&, int step)> after_step{};
  /// What must end the run: a rank's error that is no failure of the test.
  std::function<void(int rank, const std::exception&)> on_error{};
};

struct EngineResult {
  std::vector<std::vector<double>> losses;    // [step][micro-batch], in rank order
  std::map<std::string, at::Tensor> weights;  // whole, as rank 0 sees them after the last step
  std::vector<std::map<std::string, at::Tensor>>
      updates;                      // [step]: what the step added, with keep_updates
  std::vector<int64_t> bytes_sent;  // [step], by rank 0
};

/// Token ids "input_ids" and "labels", the next ones, from a formula: `rows` rows a micro-batch.
unit::Fields token_batches(
    int64_t first, int64_t count, int64_t rows, int64_t tokens, int64_t vocabulary);

EngineResult run_engine(const EngineRun& run);

/// All weights as forward sees them, whole on every rank. Collective.
std::map<std::string, at::Tensor> whole_weights(train::Engine& engine);

}  // namespace strata::test
