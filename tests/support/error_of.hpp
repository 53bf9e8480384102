// What a test's refusals say.
#pragma once

#include <string>

#include "strata/cpp/error.hpp"

namespace strata::test {

/// The Error that `body` throws, as text; empty when it throws none.
template <class F>
std::string error_of(F&& body) {
  try {
    body();
  } catch (const Error& e) {
    return e.what();
  }
  return {};
}

}  // namespace strata::test
