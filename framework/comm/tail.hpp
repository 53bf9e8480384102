// What a rank said last.
#pragma once

#include <cstddef>
#include <deque>
#include <string>
#include <utility>

namespace strata::comm {

/// The last lines, twenty at most, of a stream that comes in pieces.
class Tail {
 public:
  void add(const char* data, size_t n) {
    for (size_t i = 0; i < n; ++i) {
      if (data[i] == '\n') {
        push();
      } else {
        line_ += data[i];
      }
    }
  }

  [[nodiscard]] std::string quoted() {
    if (!line_.empty()) {
      push();
    }
    std::string out;
    for (const std::string& line : lines_) {
      out += "  | " + line + '\n';
    }
    return out;
  }

 private:
  void push() {
    lines_.push_back(std::exchange(line_, {}));
    if (lines_.size() > kLines) {
      lines_.pop_front();
    }
  }

  static constexpr size_t kLines = 20;

  std::deque<std::string> lines_;
  std::string line_;
};

}  // namespace strata::comm
