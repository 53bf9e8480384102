// The one exception type of Strata, on both sides of the border, and the text helper that fills it.
#pragma once

#include <cstdint>
#include <exception>
#include <sstream>
#include <string>
#include <utility>

#include "strata/abi/core.h"

namespace strata {

/// Joins its arguments into one text with operator<<. For messages, not for the step path.
template <class... Parts>
std::string text(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return std::move(out).str();
}

/// What went wrong, said so that the reader knows what to change.
///
/// `code` is one of STRATA_E_*; `where` is the place in the user's files (`file:line:col`) or empty.
class Error : public std::exception {
 public:
  Error(strata_rc code, std::string message, std::string where = {})
      : code_(code), message_(std::move(message)), where_(std::move(where)) {
    compose();
  }

  [[nodiscard]] strata_rc code() const noexcept { return code_; }

  [[nodiscard]] const std::string& message() const noexcept { return message_; }

  [[nodiscard]] const std::string& where() const noexcept { return where_; }

  [[nodiscard]] const char* what() const noexcept override { return what_.c_str(); }

  /// Adds what was being done when the error passed by: "while …". Outermost comes last.
  Error& add_context(const std::string& context) {
    message_ += "\n  " + context;
    compose();
    return *this;
  }

 private:
  void compose() { what_ = where_.empty() ? message_ : where_ + ": " + message_; }

  strata_rc code_;
  std::string message_;
  std::string where_;
  std::string what_;
};

/// A refusal of the user's configuration. Ends the program with exit code 2 when thrown before the ranks start: in a
/// constructor or contribute_config(); the run with 1 later, as in plan_units(), where the model's names are first known.
template <class... Parts>
Error config_error(const std::string& where, const Parts&... parts) {
  return Error(STRATA_E_CONFIG, text(parts...), where);
}

/// A failure while running; ends the program with exit code 1.
template <class... Parts>
Error run_error(const Parts&... parts) {
  return Error(STRATA_E_FAILED, text(parts...));
}

}  // namespace strata
