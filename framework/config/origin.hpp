// Where a value of the configuration was written.
#pragma once

#include <string>

namespace strata::config {

struct Origin {
  std::string file;  // as the user may open it; empty when the value came from no file
  int line = 0;      // from 1
  int column = 0;    // from 1, in characters
  std::string note;  // "--cfg-options", "default", "env NAME", "{{ a.b }}" or empty

  /// "file:line:col", or the note when there is no file.
  [[nodiscard]] std::string where() const;
};

}  // namespace strata::config
