// The run's log: formats, sinks, and who writes where.
#include "log/log.hpp"

#include <atomic>
#include <cstdio>
#include <mutex>
#include <unordered_set>

#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/ansicolor_sink.h>
#include <spdlog/sinks/basic_file_sink.h>

namespace strata::log {
namespace {

spdlog::level::level_enum spdlog_level(Level level) {
  switch (level) {
    case Level::kDebug:
      return spdlog::level::debug;
    case Level::kInfo:
      return spdlog::level::info;
    case Level::kWarning:
      return spdlog::level::warn;
    case Level::kError:
      break;
  }
  return spdlog::level::err;
}

// spdlog's own level names are in lower case.
class LevelName final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& msg,
              const std::tm&,
              spdlog::memory_buf_t& out) override {
    std::string_view text = "ERROR";
    if (msg.level <= spdlog::level::debug) {
      text = "DEBUG";
    } else if (msg.level == spdlog::level::info) {
      text = "INFO";
    } else if (msg.level == spdlog::level::warn) {
      text = "WARNING";
    }
    out.append(text.data(), text.data() + text.size());
  }

  [[nodiscard]] std::unique_ptr<custom_flag_formatter> clone() const override {
    return spdlog::details::make_unique<LevelName>();
  }
};

std::unique_ptr<spdlog::formatter> line_format(const std::string& date, const std::string& prefix) {
  auto format = std::make_unique<spdlog::pattern_formatter>();
  format->add_flag<LevelName>('*').set_pattern(date + " %H:%M:%S - strata - %^%*%$ - " + prefix +
                                               "%v");
  return format;
}

}  // namespace

struct Log::Sinks {
  spdlog::logger logger{"strata"};
  std::mutex mutex;
  std::unordered_set<std::string> warned;
  std::atomic<bool> failed = false;

  // Equal warnings of a long run are one line; texts that differ each time must not fill memory.
  bool first_warning(std::string_view message) {
    constexpr size_t kMaxRemembered = 10'000;
    const std::scoped_lock lock(mutex);
    return warned.size() >= kMaxRemembered || warned.emplace(message).second;
  }
};

std::string_view name(Level level) {
  switch (level) {
    case Level::kDebug:
      return "DEBUG";
    case Level::kInfo:
      return "INFO";
    case Level::kWarning:
      return "WARNING";
    case Level::kError:
      break;
  }
  return "ERROR";
}

Level parse_level(std::string_view text, const std::string& where) {
  for (const Level level : {Level::kDebug, Level::kInfo, Level::kWarning, Level::kError}) {
    if (text == name(level)) {
      return level;
    }
  }
  throw config_error(where, "log_level is \"", text, "\"; it can be DEBUG, INFO, WARNING or ERROR");
}

Log::Log(Options options) : sinks_(std::make_unique<Sinks>()) {
  const bool first = options.rank == 0;
  const bool everyone = options.level == Level::kDebug;
  const std::string prefix = first ? "" : fmt::format("[rank {}] ", options.rank);

  const auto console = std::make_shared<spdlog::sinks::ansicolor_stdout_sink_mt>();
  console->set_formatter(line_format("%m/%d", prefix));
  console->set_level(spdlog_level(first ? options.level : Level::kError));

  spdlog::logger& logger = sinks_->logger;
  logger.sinks().push_back(console);
  logger.set_level(console->level());
  logger.flush_on(spdlog::level::info);
  logger.set_error_handler([sinks = sinks_.get()](const std::string& what) {
    if (!sinks->failed.exchange(true)) {
      std::fprintf(
          stderr, "strata - ERROR - the log is incomplete from here on: %s\n", what.c_str());
    }
  });
  if (!options.dir.empty() && (first || everyone)) {
    open_file(options);
  }
}

Log::~Log() {
  flush();
}

void Log::open_file(const Options& options) {
  const std::string suffix = options.rank == 0 ? "" : fmt::format("_rank{}", options.rank);
  const std::filesystem::path path = options.dir / (options.timestamp + suffix + ".log");
  try {
    const auto sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(path.string());
    sink->set_formatter(line_format("%Y/%m/%d", ""));
    sink->set_level(spdlog_level(options.level));
    sinks_->logger.sinks().push_back(sink);
    sinks_->logger.set_level(spdlog_level(options.level));
    file_ = path;
  } catch (const std::exception& e) {
    write(Level::kError, fmt::format("no log file: {}", e.what()));
  }
}

bool Log::enabled(Level level) const {
  return sinks_->logger.should_log(spdlog_level(level));
}

void Log::write(Level level, std::string_view message) noexcept {
  try {
    if (!enabled(level) || (level == Level::kWarning && !sinks_->first_warning(message))) {
      return;
    }
    sinks_->logger.log(spdlog_level(level), spdlog::string_view_t(message.data(), message.size()));
  } catch (const std::exception& e) {
    std::fprintf(stderr, "strata - ERROR - a log line was lost: %s\n", e.what());
  }
}

void Log::flush() noexcept {
  try {
    sinks_->logger.flush();
  } catch (const std::exception& e) {
    std::fprintf(stderr, "strata - ERROR - a log line was lost: %s\n", e.what());
  }
}

}  // namespace strata::log
