// Text form of a place.
#include "config/origin.hpp"

#include <fmt/format.h>

namespace strata::config {

std::string Origin::where() const {
  if (file.empty()) {
    return note;
  }
  return line > 0 ? fmt::format("{}:{}:{}", file, line, column) : file;
}

}  // namespace strata::config
