// Memory of any element type at odd addresses, and updates of it, for tests of optimizers.
#pragma once

#include <cstring>
#include <random>
#include <vector>

#include "strata/kit/float16.hpp"

#include "optim_host.hpp"

namespace strata::test {

inline double read_element(const char* at, int32_t dtype) {
  switch (dtype) {
    case STRATA_F64: {
      double out = 0;
      std::memcpy(&out, at, sizeof(out));
      return out;
    }
    case STRATA_F32: {
      float out = 0;
      std::memcpy(&out, at, sizeof(out));
      return static_cast<double>(out);
    }
    default: {
      uint16_t bits = 0;
      std::memcpy(&bits, at, sizeof(bits));
      return static_cast<double>(dtype == STRATA_F16 ? kit::to_float(kit::Half{bits})
                                                     : kit::to_float(kit::BFloat16{bits}));
    }
  }
}

inline void write_element(char* at, int32_t dtype, double value) {
  const auto narrow = static_cast<float>(value);
  if (dtype == STRATA_F64) {
    std::memcpy(at, &value, sizeof(value));
  } else if (dtype == STRATA_F32) {
    std::memcpy(at, &narrow, sizeof(narrow));
  } else {
    const uint16_t bits =
        dtype == STRATA_F16 ? kit::to_half(narrow).bits : kit::to_bfloat16(narrow).bits;
    std::memcpy(at, &bits, sizeof(bits));
  }
}

/// What an element of this type makes of a value.
inline double rounded(int32_t dtype, double value) {
  char bytes[8];
  write_element(bytes, dtype, value);
  return read_element(bytes, dtype);
}

inline size_t width_of(int32_t dtype) {
  return dtype == STRATA_F64 ? 8 : dtype == STRATA_F32 ? 4 : 2;
}

/// Memory of n elements that begins one element past an aligned address.
struct Array {
  Array(int64_t n, int32_t type)
      : dtype(type), bytes((static_cast<size_t>(n) + 1) * width_of(type)) {}

  [[nodiscard]] char* at(int64_t i) {
    return bytes.data() + (static_cast<size_t>(i) + 1) * width_of(dtype);
  }

  [[nodiscard]] double get(int64_t i) { return read_element(at(i), dtype); }

  void set(int64_t i, double value) { write_element(at(i), dtype, value); }

  int32_t dtype;
  std::vector<char> bytes;
};

/// One parameter, its gradient and three states, beginning with zero states.
struct ParamMemory {
  ParamMemory(int64_t n, int32_t value_dtype, int32_t grad_dtype)
      : count(n),
        value(n, value_dtype),
        grad(n, grad_dtype),
        states(3, Array(n, value_dtype == STRATA_F64 ? STRATA_F64 : STRATA_F32)) {
    std::mt19937 random(7);
    std::normal_distribution<double> normal;
    for (int64_t i = 0; i < n; ++i) {
      value.set(i, normal(random));
      grad.set(i, normal(random));
    }
  }

  strata_optim_chunk chunk(int64_t from, int64_t to, int64_t step) {
    strata_optim_chunk out{};
    out.value = value.at(from);
    out.grad = grad.at(from);
    for (size_t i = 0; i < states.size(); ++i) {
      out.state[i] = states[i].at(from);
    }
    out.count = to - from;
    out.step = step;
    out.value_dtype = value.dtype;
    out.grad_dtype = grad.dtype;
    out.state_dtype = states[0].dtype;
    return out;
  }

  int64_t count;
  Array value;
  Array grad;
  std::vector<Array> states;
};

inline std::vector<double> hypers_of(const border::Object<strata_optimizer_api>& optimizer) {
  strata_optimizer_caps caps{};
  caps.h = STRATA_HDR(strata_optimizer_caps);
  optimizer.call(&strata_optimizer_api::describe, &caps);
  std::vector<double> out;
  out.reserve(caps.n_hypers);
  for (uint64_t i = 0; i < caps.n_hypers; ++i) {
    out.push_back(caps.hypers[i].value);
  }
  return out;
}

/// Refers to the chunks and hyper-parameters.
inline strata_optim_step_args step_args(const std::vector<strata_optim_chunk>& chunks,
                                        const std::vector<double>& hypers,
                                        double grad_scale = 1) {
  strata_optim_step_args args{};
  args.h = STRATA_HDR(strata_optim_step_args);
  args.chunks = chunks.data();
  args.n_chunks = chunks.size();
  args.hypers = hypers.data();
  args.n_hypers = hypers.size();
  args.grad_scale = grad_scale;
  return args;
}

inline void update(const border::Object<strata_optimizer_api>& optimizer,
                   const std::vector<strata_optim_chunk>& chunks,
                   double grad_scale = 1) {
  const std::vector<double> hypers = hypers_of(optimizer);
  const strata_optim_step_args args = step_args(chunks, hypers, grad_scale);
  optimizer.call(&strata_optimizer_api::step, &args);
}

/// Both passes of an update that wants sums, as the host makes them of these chunks of one parameter.
inline void update_in_two(const border::Object<strata_optimizer_api>& optimizer,
                          std::vector<strata_optim_chunk> chunks) {
  const std::vector<double> hypers = hypers_of(optimizer);
  const strata_optim_step_args args = step_args(chunks, hypers);
  std::vector<double> terms(2 * chunks.size());
  optimizer.call(&strata_optimizer_api::prepare, &args, terms.data());
  std::vector<double> sums(2);
  for (size_t i = 0; i < terms.size(); ++i) {
    sums[i % 2] += terms[i];
  }
  for (strata_optim_chunk& c : chunks) {
    c.sums = sums.data();
  }
  optimizer.call(&strata_optimizer_api::step, &args);
}

}  // namespace strata::test
