// The host as plugin code sees it: services by table type, errors as exceptions, log lines, configuration nodes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "strata/abi/host.h"
#include "strata/abi/services.h"
#include "strata/cpp/error.hpp"

// Hidden, so that two plugins never share an inline variable of the SDK.
#define STRATA_HIDDEN __attribute__((visibility("hidden")))

namespace strata {

STRATA_HIDDEN inline strata_str view(std::string_view text) {
  return {text.data(), text.size()};
}

STRATA_HIDDEN inline std::string_view view(strata_str text) {
  return {text.p, text.n};
}

namespace detail {

// NOLINTNEXTLINE(cppcoreguidelines-avoid-non-const-global-variables): set once by init()
STRATA_HIDDEN inline const strata_host* host = nullptr;

template <class Api>
struct ServiceId;

#define STRATA_SERVICE_ID(api, id)              \
  template <>                                   \
  struct ServiceId<api> {                       \
    static constexpr std::string_view kId = id; \
  }

STRATA_SERVICE_ID(strata_tensor_api, STRATA_TENSOR_API);
STRATA_SERVICE_ID(strata_memory_api, STRATA_MEMORY_API);
STRATA_SERVICE_ID(strata_param_api, STRATA_PARAM_API);
STRATA_SERVICE_ID(strata_comm_api, STRATA_COMM_API);
STRATA_SERVICE_ID(strata_stream_api, STRATA_STREAM_API);
STRATA_SERVICE_ID(strata_autograd_api, STRATA_AUTOGRAD_API);
STRATA_SERVICE_ID(strata_hub_api, STRATA_HUB_API);
STRATA_SERVICE_ID(strata_runner_api, STRATA_RUNNER_API);
STRATA_SERVICE_ID(strata_update_api, STRATA_UPDATE_API);

/// Records an error for the host; used where no exception may pass.
STRATA_HIDDEN inline strata_rc report(strata_rc code,
                                      std::string_view message,
                                      std::string_view where) {
  host->error->set(code, view(message), view(where));
  return code;
}

}  // namespace detail

/// Runs f and turns an exception into a status code and an error record. Every C thunk goes through it.
template <class F>
STRATA_HIDDEN strata_rc guarded(F&& f) noexcept {
  try {
    std::forward<F>(f)();
    return STRATA_OK;
  } catch (const Error& e) {
    return detail::report(e.code(), e.message(), e.where());
  } catch (const std::exception& e) {
    return detail::report(STRATA_E_FAILED, e.what(), {});
  } catch (...) {
    return detail::report(STRATA_E_FAILED, "an exception of unknown type", {});
  }
}

/// Turns the status of a host call back into an exception.
STRATA_HIDDEN inline void check(strata_rc rc) {
  if (rc == STRATA_OK) {
    return;
  }
  strata_rc code = rc;
  strata_str message{};
  strata_str where{};
  detail::host->error->last(&code, &message, &where);
  throw Error(rc, std::string(view(message)), std::string(view(where)));
}

/// The host's service table of type Api. Errors: STRATA_E_UNSUPPORTED when this host lacks it.
template <class Api>
STRATA_HIDDEN const Api& service() {
  static const Api* const api =
      static_cast<const Api*>(detail::host->get(view(detail::ServiceId<Api>::kId)));
  if (api == nullptr) {
    throw Error(STRATA_E_UNSUPPORTED,
                text("this host has no service ", detail::ServiceId<Api>::kId));
  }
  return *api;
}

/// Collects what a C function puts into a text sink.
class STRATA_HIDDEN TextSink {
 public:
  TextSink() = default;
  TextSink(const TextSink&) = delete;
  TextSink& operator=(const TextSink&) = delete;

  [[nodiscard]] const strata_text_sink* c() const { return &sink_; }

  [[nodiscard]] const std::string& str() const { return text_; }

 private:
  static strata_rc put(void* ctx, strata_str piece) {
    static_cast<TextSink*>(ctx)->text_.append(piece.p, piece.n);
    return STRATA_OK;
  }

  mutable std::string text_;  // grows through the pointer in sink_, also of a const sink
  strata_text_sink sink_{this, &TextSink::put};
};

/// Collects what a C function puts into a number sink.
class STRATA_HIDDEN NumberSink {
 public:
  NumberSink() = default;
  NumberSink(const NumberSink&) = delete;
  NumberSink& operator=(const NumberSink&) = delete;

  [[nodiscard]] const strata_number_sink* c() const { return &sink_; }

  [[nodiscard]] const std::vector<std::pair<std::string, double>>& items() const { return items_; }

 private:
  static strata_rc put(void* ctx, strata_str name, double value) {
    static_cast<NumberSink*>(ctx)->items_.emplace_back(std::string(view(name)), value);
    return STRATA_OK;
  }

  // Grows through the pointer in sink_, also of a const sink.
  mutable std::vector<std::pair<std::string, double>> items_;
  strata_number_sink sink_{this, &NumberSink::put};
};

/// A value of the configuration. Cheap to copy; lives as long as the object it was handed to.
class STRATA_HIDDEN Node {
 public:
  Node() = default;

  explicit Node(const strata_node* node) : node_(node) {}

  explicit operator bool() const { return node_ != nullptr; }

  [[nodiscard]] int32_t kind() const { return api().kind(node_); }

  [[nodiscard]] bool is_table() const { return node_ != nullptr && kind() == STRATA_NODE_TABLE; }

  [[nodiscard]] bool is_text() const { return node_ != nullptr && kind() == STRATA_NODE_TEXT; }

  [[nodiscard]] bool is_list() const { return node_ != nullptr && kind() == STRATA_NODE_LIST; }

  [[nodiscard]] uint64_t size() const { return api().size(node_); }

  /// The value at a dotted path, or an empty node.
  [[nodiscard]] Node find(std::string_view path) const {
    const strata_node* out = nullptr;
    check(api().find(node_, view(path), &out));
    return Node(out);
  }

  /// Entry i and its key (empty in a list).
  [[nodiscard]] std::pair<std::string, Node> entry(uint64_t i) const {
    strata_str key{};
    const strata_node* out = nullptr;
    check(api().entry(node_, i, &key, &out));
    return {std::string(view(key)), Node(out)};
  }

  [[nodiscard]] bool as_bool() const {
    int32_t out = 0;
    check(api().as_bool(node_, &out));
    return out != 0;
  }

  [[nodiscard]] int64_t as_int() const {
    int64_t out = 0;
    check(api().as_int(node_, &out));
    return out;
  }

  [[nodiscard]] double as_float() const {
    double out = 0;
    check(api().as_float(node_, &out));
    return out;
  }

  [[nodiscard]] std::string as_text() const {
    strata_str out{};
    check(api().as_text(node_, &out));
    return std::string(view(out));
  }

  /// file:line:col
  [[nodiscard]] std::string where() const { return std::string(view(api().where(node_))); }

  void mark_read() const { api().mark_read(node_); }

  [[nodiscard]] std::string to_json() const {
    const TextSink sink;
    check(api().to_json(node_, sink.c()));
    return sink.str();
  }

  [[nodiscard]] const strata_node* c() const { return node_; }

 private:
  static const strata_config_api& api() { return *detail::host->config; }

  const strata_node* node_ = nullptr;
};

/// What every component of a plugin is: something made from a configuration, bound to one run on one rank.
class STRATA_HIDDEN Component {
 public:
  Component() = default;
  Component(const Component&) = delete;
  Component& operator=(const Component&) = delete;
  virtual ~Component() = default;

  /// Called by the SDK right after construction.
  void attach(strata_runtime* runtime) { runtime_ = runtime; }

  /// A capability beyond the kind's table, or nullptr.
  virtual const void* get_extension(std::string_view) { return nullptr; }

 protected:
  /// The run this object belongs to. Not in a constructor.
  [[nodiscard]] strata_runtime* runtime() const { return runtime_; }

  template <class... Parts>
  void log(int32_t level, const Parts&... parts) const {
    if (detail::host->log->enabled(runtime_, level) != 0) {
      const std::string line = text(parts...);
      detail::host->log->write(runtime_, level, view(line));
    }
  }

  template <class... Parts>
  void info(const Parts&... parts) const {
    log(STRATA_LOG_INFO, parts...);
  }

  template <class... Parts>
  void warn(const Parts&... parts) const {
    log(STRATA_LOG_WARNING, parts...);
  }

 private:
  strata_runtime* runtime_ = nullptr;
};

}  // namespace strata
