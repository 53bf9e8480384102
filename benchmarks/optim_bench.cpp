// Updates of Adam as the host runs them: chunks over threads, the optimizer's plugin, the half-precision copy.
#include <algorithm>
#include <chrono>
#include <cstring>
#include <memory>
#include <vector>

#include <benchmark/benchmark.h>

#include "strata/cpp/dtype.hpp"
#include "strata/kit/float16.hpp"

#include "optim/chunk_runner.hpp"
#include "support/optim_host.hpp"

namespace strata {
namespace {

constexpr int64_t kElements = 30'000'000;
constexpr int kUpdates = 9;  // the first brings the memory in and does not count

/// Memory at a cache line, as LibTorch gives it, filled with small numbers.
class Memory {
 public:
  explicit Memory(int64_t bytes)
      : data_(std::aligned_alloc(64, (static_cast<size_t>(bytes) + 63) / 64 * 64), &std::free) {
    std::memset(data_.get(), 0, static_cast<size_t>(bytes));
  }

  [[nodiscard]] void* get() const { return data_.get(); }

 private:
  std::unique_ptr<void, decltype(&std::free)> data_;
};

void fill(void* at, int32_t dtype) {
  for (int64_t i = 0; i < kElements; ++i) {
    const float value = static_cast<float>(i * 7919 % 1009 - 504) * 1e-3F;
    if (dtype == STRATA_F32) {
      static_cast<float*>(at)[i] = value;
    } else {
      static_cast<uint16_t*>(at)[i] =
          dtype == STRATA_F16 ? kit::to_half(value).bits : kit::to_bfloat16(value).bits;
    }
  }
}

constexpr int32_t kNone = -1;

struct Types {
  int32_t value;
  int32_t grad;
  int32_t copy;
};

void adam(benchmark::State& state, const Types& types) {
  test::OptimPlugin plugin("optimizer_adam");
  const auto optimizer =
      plugin.create<strata_optimizer_api>("HybridAdam", "lr = 1e-3\nweight_decay = 0.01");
  const double hypers[] = {1e-3, 0.01, 0.9, 0.999, 1e-8};
  const Memory value(kElements * size_of(types.value));
  const Memory grad(kElements * size_of(types.grad));
  const Memory mean(kElements * 4);
  const Memory square(kElements * 4);
  const Memory copy(types.copy == kNone ? 0 : kElements * size_of(types.copy));
  fill(value.get(), types.value);
  fill(grad.get(), types.grad);
  strata_optim_chunk chunk{};
  chunk.value = value.get();
  chunk.grad = grad.get();
  chunk.state[0] = mean.get();
  chunk.state[1] = square.get();
  chunk.count = kElements;
  chunk.value_dtype = types.value;
  chunk.grad_dtype = types.grad;
  chunk.state_dtype = STRATA_F32;
  chunk.copy = types.copy == kNone ? nullptr : copy.get();
  chunk.copy_dtype = types.copy;
  optim::Crew crew(static_cast<int>(state.range(0)));
  const optim::ChunkRunner runner(optimizer, crew);

  for (auto _ : state) {
    std::vector<double> seconds;
    for (int update = 1; update <= kUpdates; ++update) {
      chunk.step = update;
      const auto begin = std::chrono::steady_clock::now();
      runner.step(std::span(&chunk, 1), {hypers, std::size(hypers), 1});
      seconds.push_back(
          std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
    }
    std::sort(seconds.begin() + 1, seconds.end());
    state.counters["ns_per_element"] = seconds[1 + (kUpdates - 1) / 2] / kElements * 1e9;
  }
}

void threads(benchmark::internal::Benchmark* b) {
  b->ArgName("threads")->Arg(1)->Arg(2)->Iterations(1);
}

BENCHMARK_CAPTURE(adam, fp32, Types{STRATA_F32, STRATA_F32, kNone})->Apply(threads);
BENCHMARK_CAPTURE(adam, bf16, Types{STRATA_BF16, STRATA_BF16, kNone})->Apply(threads);
BENCHMARK_CAPTURE(adam, fp16, Types{STRATA_F16, STRATA_F16, kNone})->Apply(threads);
BENCHMARK_CAPTURE(adam, mixed_bf16, Types{STRATA_F32, STRATA_BF16, STRATA_BF16})->Apply(threads);
BENCHMARK_CAPTURE(adam, mixed_fp16, Types{STRATA_F32, STRATA_F16, STRATA_F16})->Apply(threads);

}  // namespace
}  // namespace strata

BENCHMARK_MAIN();
