// The log as plugins see it.
#include <algorithm>
#include <cstdio>

#include "border/errors.hpp"
#include "border/runtime.hpp"
#include "log/log.hpp"

namespace strata::log {
namespace {

// Levels are an open set: one from a newer SDK counts as the nearest that is known.
Level level_of(int32_t level) {
  return static_cast<Level>(std::clamp<int32_t>(level, STRATA_LOG_DEBUG, STRATA_LOG_ERROR));
}

Log* log_of(const strata_runtime* rt) {
  return rt == nullptr ? nullptr : rt->log;
}

int32_t enabled(strata_runtime* rt, int32_t level) {
  const Log* log = log_of(rt);
  return (log == nullptr ? level_of(level) >= Level::kInfo : log->enabled(level_of(level))) ? 1 : 0;
}

void write(strata_runtime* rt, int32_t level, strata_str message) {
  const Level known = level_of(level);
  if (Log* log = log_of(rt)) {
    log->write(known, border::view(message));
  } else if (known >= Level::kInfo) {
    const std::string_view word = name(known);
    std::fprintf(stderr,
                 "strata - %.*s - %.*s\n",
                 static_cast<int>(word.size()),
                 word.data(),
                 static_cast<int>(message.n),
                 message.p);
  }
}

}  // namespace

const strata_log_api* log_service() {
  static const strata_log_api api = {STRATA_HDR(strata_log_api), &enabled, &write};
  return &api;
}

}  // namespace strata::log
