// The host's side of errors at the border: the per-thread record behind strata_error_api, and its exceptions.
#pragma once

#include <string_view>
#include <utility>

#include "strata/abi/host.h"
#include "strata/cpp/error.hpp"

namespace strata::border {

inline strata_str view(std::string_view text) {
  return {text.data(), text.size()};
}

inline std::string_view view(strata_str text) {
  return {text.p, text.n};
}

/// Sets the calling thread's record and returns its code. Never throws.
strata_rc record(const Error& error) noexcept;
strata_rc record(strata_rc code, std::string_view message, std::string_view where) noexcept;

/// The table handed to plugins.
const strata_error_api* error_service();

/// Turns a plugin's status into an exception with the thread's record; nothing for STRATA_OK.
void check(strata_rc rc);

/// Runs a host service's body: exceptions become the record and a code. LibTorch's own errors arrive as
/// std::exception with the operator and shapes they name.
template <class F>
strata_rc guarded(F&& body) noexcept {
  try {
    std::forward<F>(body)();
    return STRATA_OK;
  } catch (const Error& e) {
    return record(e);
  } catch (const std::exception& e) {
    return record(STRATA_E_FAILED, e.what(), {});
  } catch (...) {
    return record(STRATA_E_FAILED, "an exception of unknown type", {});
  }
}

}  // namespace strata::border
