// The in-process store, the C face of every store, and what ranks learn of each other by it.
#include "comm/store.hpp"

#include <algorithm>
#include <array>
#include <fstream>
#include <unistd.h>

#include "border/errors.hpp"

namespace strata::comm {
namespace {

strata_rc store_set(void* ctx, strata_str key, strata_str value) {
  return border::guarded([&] {
    static_cast<Store*>(ctx)->set(std::string(border::view(key)), std::string(border::view(value)));
  });
}

strata_rc store_get(void* ctx, strata_str key, int64_t timeout_ms, const strata_text_sink* out) {
  strata_rc put = STRATA_OK;
  const strata_rc got = border::guarded([&] {
    const std::string value = static_cast<Store*>(ctx)->get(std::string(border::view(key)),
                                                            std::chrono::milliseconds(timeout_ms));
    put = out->put(out->ctx, border::view(value));
  });
  return got != STRATA_OK ? got : put;
}

}  // namespace

Store::Store() : c_{this, &store_set, &store_get} {}

std::string Store::get(const std::string& key, std::chrono::milliseconds timeout) {
  auto found = find(key, timeout);
  if (!found) {
    throw Error(STRATA_E_COMM,
                text("store: nobody has set \"", key, "\" within ", timeout.count(), " ms"));
  }
  return *std::move(found);
}

void LocalStore::set(const std::string& key, const std::string& value) {
  {
    const std::lock_guard lock(mutex_);
    values_[key] = value;
  }
  changed_.notify_all();
}

std::optional<std::string> LocalStore::find(const std::string& key,
                                            std::chrono::milliseconds timeout) {
  std::unique_lock lock(mutex_);
  if (!changed_.wait_for(lock, timeout, [&] { return values_.contains(key); })) {
    return std::nullopt;
  }
  return values_.at(key);
}

std::string host_id() {
  std::array<char, 256> name{};
  gethostname(name.data(), name.size() - 1);
  std::string boot;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> boot;
  return std::string(name.data()) + "/" + boot;
}

std::vector<std::string> host_map(const LaunchInfo& info,
                                  Store& store,
                                  std::chrono::milliseconds timeout) {
  store.set(text("strata/host/", info.rank), host_id());
  std::vector<std::string> hosts;
  hosts.reserve(static_cast<size_t>(info.world_size));
  for (int rank = 0; rank < info.world_size; ++rank) {
    hosts.push_back(store.get(text("strata/host/", rank), timeout));
  }
  return hosts;
}

std::string choose(int32_t device_type,
                   bool same_host,
                   bool same_process,
                   const std::string& requested) {
  if (!requested.empty()) {
    return requested;
  }
  if (device_type == STRATA_CUDA) {
    return "nccl";
  }
  if (same_process) {
    return "threads";
  }
  return same_host ? "shm" : "gloo";
}

}  // namespace strata::comm
