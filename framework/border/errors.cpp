// The per-thread error record.
#include "border/errors.hpp"

#include <string>

namespace strata::border {
namespace {

struct Record {
  strata_rc code = STRATA_OK;
  std::string message;
  std::string where;
};

Record& current() {
  thread_local Record record;
  return record;
}

void set(strata_rc code, strata_str message, strata_str where) {
  record(code, view(message), view(where));
}

void add_context(strata_str text) {
  current().message += "\n  ";
  current().message += view(text);
}

void last(strata_rc* code, strata_str* message, strata_str* where) {
  const Record& r = current();
  *code = r.code;
  *message = view(r.message);
  *where = view(r.where);
}

}  // namespace

strata_rc record(const Error& error) noexcept {
  return record(error.code(), error.message(), error.where());
}

strata_rc record(strata_rc code, std::string_view message, std::string_view where) noexcept {
  const strata_rc stored = code == STRATA_OK ? STRATA_E_FAILED : code;
  try {
    current() = Record{stored, std::string(message), std::string(where)};
  } catch (...) {
    current().code = stored;  // out of memory: the code alone survives
  }
  return stored;
}

const strata_error_api* error_service() {
  static const strata_error_api api = {STRATA_HDR(strata_error_api), &set, &add_context, &last};
  return &api;
}

void check(strata_rc rc) {
  if (rc == STRATA_OK) {
    return;
  }
  Record r = std::move(current());
  current() = {};
  if (r.code != rc || r.message.empty()) {
    r = {rc, "a plugin failed with code " + std::to_string(rc) + " and said nothing", {}};
  }
  throw Error(rc, r.message, r.where);
}

}  // namespace strata::border
