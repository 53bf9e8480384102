// Memory, touched parameters, ranks and an optimizer for tests of the updater, all in this process.
#pragma once

#include <cstddef>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "strata/abi/services.h"

#include "border/runtime.hpp"
#include "optim/updater.hpp"

/// The test's buffer: plain memory.
struct strata_buffer {
  std::vector<std::byte> bytes;
  std::string tag;
  bool resident = true;
};

/// The test's group: a number of ranks, and what the others say in a reduction.
struct strata_group {
  int32_t size = 1;
  int32_t others = 0;
  int32_t reductions = 0;
};

namespace strata::test {

struct FakeRuntime : strata_runtime {
  std::map<int32_t, bool> untouched;
  strata_group world;
  std::vector<std::string> tags;  // of the buffers made

  static FakeRuntime& of(strata_runtime* rt) { return *static_cast<FakeRuntime*>(rt); }
};

inline const strata_memory_api& fake_memory() {
  static const strata_memory_api api = [] {
    strata_memory_api out = {};
    out.h = STRATA_HDR(strata_memory_api);
    out.buffer_new = [](strata_runtime* rt,
                        int64_t bytes,
                        uint32_t flags,
                        strata_str tag,
                        strata_buffer** buffer) {
      FakeRuntime::of(rt).tags.emplace_back(border::view(tag));
      const auto fill = (flags & STRATA_BUFFER_ZEROED) != 0 ? std::byte{0} : std::byte{0xFF};
      *buffer = std::make_unique<strata_buffer>().release();
      (*buffer)->bytes.assign(static_cast<size_t>(bytes), fill);
      return strata_rc{STRATA_OK};
    };
    out.buffer_free = [](strata_buffer* b) { const std::unique_ptr<strata_buffer> own(b); };
    out.data = [](strata_buffer* b) -> void* { return b->resident ? b->bytes.data() : nullptr; };
    return out;
  }();
  return api;
}

inline const strata_param_api& fake_params() {
  static const strata_param_api api = [] {
    strata_param_api out = {};
    out.h = STRATA_HDR(strata_param_api);
    out.touched = [](strata_runtime* rt, int32_t param, int32_t* flag) {
      *flag = FakeRuntime::of(rt).untouched[param] ? 0 : 1;
      return strata_rc{STRATA_OK};
    };
    return out;
  }();
  return api;
}

inline const strata_comm_api& fake_comm() {
  static const strata_comm_api api = [] {
    strata_comm_api out = {};
    out.h = STRATA_HDR(strata_comm_api);
    out.world = [](strata_runtime* rt) { return &FakeRuntime::of(rt).world; };
    out.size = [](const strata_group* group) { return group->size; };
    out.all_reduce = [](strata_group* group,
                        void* data,
                        int64_t,
                        int32_t,
                        int32_t,
                        strata_stream*,
                        strata_work**) {
      ++group->reductions;
      auto* const flag = static_cast<int32_t*>(data);
      *flag = *flag > group->others ? *flag : group->others;
      return strata_rc{STRATA_OK};
    };
    out.wait = [](strata_work*, strata_stream*) { return strata_rc{STRATA_OK}; };
    return out;
  }();
  return api;
}

/// value -= lr * grad; the state counts the updates; notes its chunks.
struct FakeOptimizer {
  std::vector<std::vector<strata_optim_chunk>> steps;
  std::vector<double> scales;  // of the gradients, per step

  static strata_rc describe(void*, strata_optimizer_caps* out) {
    static const strata_hyper hypers[] = {{{"lr", 2}, 0.5, STRATA_HYPER_LR, 0}};
    static const strata_optim_state states[] = {{{"count", 5}, -1, 0}};
    *out = {STRATA_HDR(strata_optimizer_caps), hypers, 1, states, 1, 0, 0};
    return STRATA_OK;
  }

  static strata_rc step(void* self, const strata_optim_step_args* args) {
    static_cast<FakeOptimizer*>(self)->steps.emplace_back(args->chunks,
                                                          args->chunks + args->n_chunks);
    static_cast<FakeOptimizer*>(self)->scales.push_back(args->grad_scale);
    for (uint64_t i = 0; i < args->n_chunks; ++i) {
      const strata_optim_chunk& c = args->chunks[i];
      const auto lr =
          static_cast<float>(args->hypers[static_cast<uint64_t>(c.group) * args->n_hypers]);
      for (int64_t k = 0; k < c.count; ++k) {
        static_cast<float*>(c.value)[k] -= lr * static_cast<const float*>(c.grad)[k];
        static_cast<float*>(c.state[0])[k] += 1;
      }
    }
    return STRATA_OK;
  }

  /// Owned by the test.
  border::Object<strata_optimizer_api> object() {
    static const strata_optimizer_api api = {
        {STRATA_HDR(strata_optimizer_api),
         [](void*) {},
         [](void*, strata_str) -> const void* { return nullptr; }},
        &describe,
        &step,
        nullptr};
    return {strata_object{this, &api}, "FakeOptimizer"};
  }
};

/// A view of float parameters that lie one after the other; values are 1, gradients what the test
/// writes.
struct FakeView {
  explicit FakeView(const std::vector<strata_segment>& segments) {
    view.segments = segments;
    int64_t numel = 0;
    for (const strata_segment& s : segments) {
      numel = s.view_offset + s.count;
    }
    view.c.numel = numel;
    view.c.value = &value;
    view.c.grad = &grad;
    view.c.value_dtype = view.c.grad_dtype = STRATA_F32;
    value.bytes.resize(static_cast<size_t>(numel) * sizeof(float));
    grad.bytes.resize(value.bytes.size());
    for (int64_t i = 0; i < numel; ++i) {
      values()[i] = 1;
      grads()[i] = 0;
    }
  }

  FakeView(const FakeView&) = delete;
  FakeView& operator=(const FakeView&) = delete;

  float* values() { return reinterpret_cast<float*>(value.bytes.data()); }

  float* grads() { return reinterpret_cast<float*>(grad.bytes.data()); }

  strata_buffer value;
  strata_buffer grad;
  optim::View view;
};

/// view_offset, param_offset, count, param
inline strata_segment segment(int64_t at, int64_t param_offset, int64_t count, int32_t param) {
  return {at, param_offset, count, param, 0};
}

}  // namespace strata::test
