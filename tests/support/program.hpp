// Starts a program as a user's shell would, and says how it ended.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <sys/types.h>

namespace strata::test {

struct Start {
  std::vector<std::string> args;                           ///< the program first
  std::vector<std::pair<std::string, std::string>> env{};  ///< beside the inherited
  std::string folder{};                                    ///< to start in; empty: this one
  std::function<void()> before_exec{};                     ///< in the child; async-signal-safe
};

struct Outcome {
  int code = 0;  ///< exit code; 128 + n after signal n, as in a shell; -1: ended by the test
  std::string out;
  std::string err;
  double seconds = 0;  ///< from start to end
};

/// A started program. It is killed with its owner, and with the test.
class Program {
 public:
  explicit Program(const Start& start);
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  ~Program();

  [[nodiscard]] pid_t pid() const { return pid_; }

  /// Whether `text` came on stdout or stderr in time, and before the program ended.
  bool says(const std::string& text, std::chrono::seconds timeout = std::chrono::seconds(30));
  /// Processes that it has started and that are still there.
  [[nodiscard]] std::vector<pid_t> children() const;
  void send(int signal) const;
  /// The end, however long ago. After the timeout the program is killed.
  Outcome wait(std::chrono::seconds timeout = std::chrono::seconds(60));

 private:
  bool ended();

  pid_t pid_ = 0;
  int out_ = -1;
  int err_ = -1;
  bool done_ = false;
  int status_ = 0;
  std::chrono::steady_clock::time_point started_;
};

/// From start to end.
Outcome run(const Start& start, std::chrono::seconds timeout = std::chrono::seconds(60));

}  // namespace strata::test
