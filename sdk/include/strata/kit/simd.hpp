// Runs one loop compiled for several instruction sets and picks the best the machine has, with the
// same bits in all.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "strata/cpp/host.hpp"

namespace strata::kit {
namespace detail {

enum class Isa { kBase, kAvx2, kAvx512 };

/// What STRATA_SIMD allows: "base", "avx2" or "avx512"; everything when it is not set.
/// Errors: STRATA_E_ARGUMENT for another text.
STRATA_HIDDEN inline Isa allowed_isa() {
  const char* const given = std::getenv("STRATA_SIMD");
  const std::string_view name = given == nullptr ? "" : given;
  if (name.empty() || name == "avx512") {
    return Isa::kAvx512;
  }
  if (name != "avx2" && name != "base") {
    throw Error(
        STRATA_E_ARGUMENT,
        text(
            "the environment variable STRATA_SIMD is \"", name, "\"; it takes base, avx2, avx512"));
  }
  return name == "avx2" ? Isa::kAvx2 : Isa::kBase;
}

#if defined(__x86_64__)

STRATA_HIDDEN inline Isa machine_isa() {
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

#else

STRATA_HIDDEN inline Isa machine_isa() {
  return Isa::kBase;
}

#endif

STRATA_HIDDEN inline Isa isa() {
  static const Isa found = std::min(machine_isa(), allowed_isa());
  return found;
}

}  // namespace detail

/// The instruction set that simd() uses, by the name that STRATA_SIMD has for it.
STRATA_HIDDEN inline const char* simd_level() {
  switch (detail::isa()) {
    case detail::Isa::kAvx512:
      return "avx512";
    case detail::Isa::kAvx2:
      return "avx2";
    default:
      return "base";
  }
}

/// Calls body(), whose operator() and everything it calls must be always_inline.
///
/// No multiplication and addition of the body is fused unless it says fma, and fma rounds alike
/// with and without the instruction. So results do not depend on the machine.
/// The environment variable STRATA_SIMD, read once, forbids what is above its level.
template <class Body>
STRATA_HIDDEN void simd(const Body& body) {
#if defined(__x86_64__)
  const detail::Isa isa = detail::isa();
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
