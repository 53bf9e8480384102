// Real engines (model, strategy, optimizer as plugins) on thread ranks, fed with numbers from a formula.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>
#include <vector>

namespace strata::test {

/// What one run is made of. Every micro-batch has `samples` rows of 20 features; micro-batch m of step s is the same
/// in every run, whichever rank sees it.
struct EngineRun {
  std::string strategy = "SingleDeviceStrategy";
  int world = 1;
  int accumulation = 1;  // micro-batches per rank and step
  int joined = 1;        // micro-batches put together into one
  int steps = 50;
  std::string dtype = "float32";
  std::string optimizer = R"({ type = "AdamW", lr = 1e-2 })";
  std::string wrapper{};  // further lines of [optim_wrapper]
};

struct EngineResult {
  std::vector<std::vector<double>> losses;   // [step][micro-batch], in rank order
  std::map<std::string, at::Tensor> weights;  // of rank 0, empty where they are spread over ranks
};

EngineResult run_engine(const EngineRun& run);

}  // namespace strata::test
