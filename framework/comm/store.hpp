// The key-value stores in which ranks find each other.
#pragma once

#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "strata/abi/communicator.h"

#include "comm/launch_info.hpp"

namespace strata::comm {

/// Keys and values that all ranks of a run see. [any]
class Store {
 public:
  Store();
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;
  virtual ~Store() = default;

  virtual void set(const std::string& key, const std::string& value) = 0;

  /// Waits for the key; nothing after the timeout. Errors: STRATA_E_COMM when the store cannot be
  /// reached.
  virtual std::optional<std::string> find(const std::string& key,
                                          std::chrono::milliseconds timeout) = 0;

  /// As find(). Errors: STRATA_E_COMM after the timeout as well.
  std::string get(const std::string& key, std::chrono::milliseconds timeout);

  /// For communicators; lives as long as this.
  [[nodiscard]] const strata_store* c() const { return &c_; }

 private:
  strata_store c_;
};

/// For ranks that are threads of one process.
class LocalStore final : public Store {
 public:
  void set(const std::string& key, const std::string& value) override;
  std::optional<std::string> find(const std::string& key,
                                  std::chrono::milliseconds timeout) override;

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, std::string> values_;
};

/// For processes: rank 0 serves at master_addr:master_port unless its launcher does.
///
/// timeout  for all ranks to come.
/// Errors: STRATA_E_FAILED, the address is taken; STRATA_E_COMM, rank 0 cannot be reached in time.
std::unique_ptr<Store> connect_tcp_store(const LaunchInfo& info, std::chrono::milliseconds timeout);

/// What tells one machine from another: its name and the number of its last start.
std::string host_id();

/// Every rank's host_id(), by rank. Collective. Errors: STRATA_E_COMM.
std::vector<std::string> host_map(const LaunchInfo& info,
                                  Store& store,
                                  std::chrono::milliseconds timeout);

/// The communicator type that fits: "threads" in one process, "shm" among CPU ranks of one machine,
/// "nccl" for CUDA, else "gloo".
///
/// requested  env_cfg.dist_cfg.backend; wins unless empty.
std::string choose(int32_t device_type,
                   bool same_host,
                   bool same_process,
                   const std::string& requested);

}  // namespace strata::comm
