// Runs one loop compiled for several instruction sets and picks the best the machine has, with the
// same bits in all.
#pragma once

#include <utility>

#include "strata/cpp/host.hpp"

namespace strata::kit {
namespace detail {

#if defined(__x86_64__)

enum class Isa { kBase, kAvx2, kAvx512 };

STRATA_HIDDEN inline Isa detect_isa() {
  __builtin_cpu_init();
  if (__builtin_cpu_supports("fma") == 0) {
    return Isa::kBase;
  }
  const bool wide =
      __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512bw") != 0 &&
      __builtin_cpu_supports("avx512dq") != 0 && __builtin_cpu_supports("avx512vl") != 0;
  if (wide) {
    return Isa::kAvx512;
  }
  return __builtin_cpu_supports("avx2") != 0 ? Isa::kAvx2 : Isa::kBase;
}

template <class Body>
__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"))) STRATA_HIDDEN void
run_avx512(const Body& body) {
  body();
}

template <class Body>
__attribute__((target("avx2,fma"))) STRATA_HIDDEN void run_avx2(const Body& body) {
  body();
}

#endif

}  // namespace detail

/// Calls body(), whose operator() and everything it calls must be always_inline.
///
/// No multiplication and addition of the body is fused unless it says fma, and fma rounds alike
/// with and without the instruction. So results do not depend on the machine.
template <class Body>
STRATA_HIDDEN void simd(const Body& body) {
#if defined(__x86_64__)
  static const detail::Isa isa = detail::detect_isa();
  if (isa == detail::Isa::kAvx512) {
    return detail::run_avx512(body);
  }
  if (isa == detail::Isa::kAvx2) {
    return detail::run_avx2(body);
  }
#endif
  body();
}

}  // namespace strata::kit
