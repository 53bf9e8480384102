// Reading and writing the host's store through its C functions.
#include "gloo_store.hpp"

#include <utility>

#include "strata/cpp/host.hpp"

namespace gloo_backend {
namespace {

using strata::view;

strata::Error not_offered(const char* what) {
  return {STRATA_E_UNSUPPORTED, strata::text("the store of a communicator has no ", what)};
}

}  // namespace

HostStore::HostStore(const strata_store* store,
                     std::string prefix,
                     std::chrono::milliseconds timeout)
    : c10d::Store(timeout), store_(store), prefix_(std::move(prefix)) {}

c10::intrusive_ptr<c10d::Store> HostStore::clone() {
  return c10::make_intrusive<HostStore>(store_, prefix_, timeout_);
}

void HostStore::set(const std::string& key, const std::vector<uint8_t>& value) {
  const std::string full = prefix_ + key;
  strata::check(store_->set(
      store_->ctx, view(full), {reinterpret_cast<const char*>(value.data()), value.size()}));
}

std::string HostStore::read(const std::string& key, std::chrono::milliseconds timeout) const {
  const std::string full = prefix_ + key;
  const strata::TextSink value;
  strata::check(store_->get(store_->ctx, view(full), timeout.count(), value.c()));
  return value.str();
}

std::vector<uint8_t> HostStore::get(const std::string& key) {
  const std::string value = read(key, timeout_);
  return {value.begin(), value.end()};
}

bool HostStore::check(const std::vector<std::string>& keys) {
  try {
    wait(keys, std::chrono::milliseconds(0));
    return true;
  } catch (const strata::Error&) {
    return false;
  }
}

void HostStore::wait(const std::vector<std::string>& keys) {
  wait(keys, timeout_);
}

void HostStore::wait(const std::vector<std::string>& keys,
                     const std::chrono::milliseconds& timeout) {
  for (const std::string& key : keys) {
    static_cast<void>(read(key, timeout));
  }
}

int64_t HostStore::add(const std::string&, int64_t) {
  throw not_offered("counters");
}

bool HostStore::deleteKey(const std::string&) {
  return false;
}

int64_t HostStore::getNumKeys() {
  throw not_offered("count of keys");
}

}  // namespace gloo_backend
