// The host's key-value store as LibTorch's process groups want it.
#pragma once

#include <string>
#include <vector>

#include <torch/csrc/distributed/c10d/Store.hpp>

#include "strata/abi/communicator.h"

namespace gloo_backend {

/// Keys get a prefix. What a process group's rendezvous does not use is refused. [any]
class HostStore final : public c10d::Store {
 public:
  HostStore(const strata_store* store, std::string prefix, std::chrono::milliseconds timeout);

  using c10d::Store::get;
  using c10d::Store::set;

  c10::intrusive_ptr<c10d::Store> clone() override;
  void set(const std::string& key, const std::vector<uint8_t>& value) override;
  std::vector<uint8_t> get(const std::string& key) override;
  int64_t add(const std::string& key, int64_t value) override;
  bool deleteKey(const std::string& key) override;
  bool check(const std::vector<std::string>& keys) override;
  int64_t getNumKeys() override;
  void wait(const std::vector<std::string>& keys) override;
  void wait(const std::vector<std::string>& keys,
            const std::chrono::milliseconds& timeout) override;

 private:
  [[nodiscard]] std::string read(const std::string& key, std::chrono::milliseconds timeout) const;

  const strata_store* store_;
  std::string prefix_;
};

}  // namespace gloo_backend
