// The store between processes, over LibTorch's TCPStore. The only file that includes it.
#include <algorithm>
#include <string_view>
#include <utility>

#include <c10/util/Exception.h>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include "strata/cpp/error.hpp"

#include "comm/store.hpp"

namespace strata::comm {
namespace {

using std::chrono::milliseconds;

// LibTorch appends the stack to its messages.
std::string reason_of(const std::exception& e) {
  const auto* error = dynamic_cast<const c10::Error*>(&e);
  return error != nullptr ? error->what_without_backtrace() : e.what();
}

class TcpStore final : public Store {
 public:
  TcpStore(c10::intrusive_ptr<c10d::TCPStore> store, std::string prefix)
      : store_(std::move(store)), prefix_(std::move(prefix)) {}

  void set(const std::string& key, const std::string& value) override {
    try {
      static_cast<c10d::Store&>(*store_).set(prefix_ + key, value);
    } catch (const std::exception& e) {
      throw unreachable(e);
    }
  }

  std::optional<std::string> find(const std::string& key, milliseconds timeout) override {
    const std::string full = prefix_ + key;
    if (!wait(full, timeout)) {
      return std::nullopt;
    }
    try {
      return store_->get_to_str(full);
    } catch (const std::exception& e) {
      throw unreachable(e);
    }
  }

 private:
  // A wait holds the connection's lock: short turns let other threads of this rank come between.
  bool wait(const std::string& key, milliseconds timeout) {
    constexpr milliseconds kTurn{500};
    const auto end = std::chrono::steady_clock::now() + timeout;
    while (!has(key)) {
      const auto left =
          std::chrono::duration_cast<milliseconds>(end - std::chrono::steady_clock::now());
      if (left.count() <= 0) {
        return false;
      }
      try {
        store_->wait({key}, std::min(left, kTurn));
        return true;
      } catch (const std::exception&) {
        continue;  // the turn is over; a lost connection shows in has()
      }
    }
    return true;
  }

  bool has(const std::string& key) {
    try {
      return store_->check({key});
    } catch (const std::exception& e) {
      throw unreachable(e);
    }
  }

  [[nodiscard]] Error unreachable(const std::exception& e) const {
    return {STRATA_E_COMM,
            text("store at ",
                 store_->getHost(),
                 ":",
                 store_->getPort(),
                 " cannot be reached (has rank 0 ended?): ",
                 reason_of(e))};
  }

  c10::intrusive_ptr<c10d::TCPStore> store_;
  std::string prefix_;
};

bool says_in_use(std::string_view message) {
  return message.find("EADDRINUSE") != std::string_view::npos ||
         message.find("in use") != std::string_view::npos;
}

}  // namespace

std::unique_ptr<Store> connect_tcp_store(const LaunchInfo& info, milliseconds timeout) {
  c10d::TCPStoreOptions options;
  options.port = static_cast<uint16_t>(info.master_port);
  options.isServer = info.rank == 0 && !info.agent_store;
  options.waitWorkers = false;
  options.timeout = timeout;
  if (options.isServer && info.listen_fd >= 0) {
    options.masterListenFd = info.listen_fd;
  }
  const std::string address = text(info.master_addr, ":", info.master_port);
  try {
    auto store = c10::make_intrusive<c10d::TCPStore>(info.master_addr, options);
    return std::make_unique<TcpStore>(std::move(store), text("strata/", info.restart, "/"));
  } catch (const std::exception& e) {
    if (options.isServer && says_in_use(reason_of(e))) {
      throw run_error(
          "rank 0 cannot serve the store at ",
          address,
          ": the port is in use. Set MASTER_PORT to a free one on all ranks, or end the other run");
    }
    throw Error(STRATA_E_COMM,
                text("rank ",
                     info.rank,
                     " of ",
                     info.world_size,
                     " cannot ",
                     options.isServer ? "serve" : "reach",
                     " the store at ",
                     address,
                     " within ",
                     timeout.count(),
                     " ms. Are MASTER_ADDR and MASTER_PORT those of rank 0? ",
                     reason_of(e)));
  }
}

}  // namespace strata::comm
