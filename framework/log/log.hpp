// The run's log: lines on the console and in the run's file, over spdlog.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "strata/abi/host.h"
#include "strata/cpp/error.hpp"

namespace strata::log {

enum class Level : int32_t {
  kDebug = STRATA_LOG_DEBUG,
  kInfo = STRATA_LOG_INFO,
  kWarning = STRATA_LOG_WARNING,
  kError = STRATA_LOG_ERROR
};

/// "DEBUG", "INFO", "WARNING", "ERROR".
std::string_view name(Level level);

/// The level of a `log_level` text. where: its place in the config. Errors: STRATA_E_CONFIG.
Level parse_level(std::string_view text, const std::string& where = {});

struct Options {
  int rank = 0;
  Level level = Level::kInfo;
  std::filesystem::path dir;  ///< of the log file; empty: console only
  std::string timestamp;      ///< the run's, "20240131_235959"
};

/// Rank 0 writes from `level` up to the console and to `<dir>/<timestamp>.log`; other ranks write
/// errors to the console. At DEBUG every rank has a file, `<timestamp>_rank<r>.log` for r > 0.
/// [any]
///
/// A file that cannot be opened or written is reported on the console and does not end the run.
class Log {
 public:
  explicit Log(Options options = {});
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;
  ~Log();

  [[nodiscard]] bool enabled(Level level) const;

  /// One message, of one line or several. A WARNING is written once however often it is sent.
  void write(Level level, std::string_view message) noexcept;

  template <class... Args>
  void debug(fmt::format_string<Args...> format, Args&&... args) {
    write_formatted(Level::kDebug, format, std::forward<Args>(args)...);
  }

  template <class... Args>
  void info(fmt::format_string<Args...> format, Args&&... args) {
    write_formatted(Level::kInfo, format, std::forward<Args>(args)...);
  }

  template <class... Args>
  void warn(fmt::format_string<Args...> format, Args&&... args) {
    write_formatted(Level::kWarning, format, std::forward<Args>(args)...);
  }

  template <class... Args>
  void error(fmt::format_string<Args...> format, Args&&... args) {
    write_formatted(Level::kError, format, std::forward<Args>(args)...);
  }

  /// The error with its place in the user's files.
  void error(const Error& error) noexcept { write(Level::kError, error.what()); }

  /// Hands buffered DEBUG lines to the system; INFO and above never wait.
  void flush() noexcept;

  /// This rank's log file, or empty.
  [[nodiscard]] const std::filesystem::path& file() const { return file_; }

 private:
  struct Sinks;

  template <class... Args>
  void write_formatted(Level level, fmt::format_string<Args...> format, Args&&... args) {
    if (enabled(level)) {
      write(level, fmt::format(format, std::forward<Args>(args)...));
    }
  }

  void open_file(const Options& options);

  std::filesystem::path file_;
  std::unique_ptr<Sinks> sinks_;
};

/// The table handed to plugins: writes to rt->log, or to stderr where there is none.
const strata_log_api* log_service();

}  // namespace strata::log
