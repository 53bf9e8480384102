// The process-wide host table.
#include "registry/host.hpp"

#include <map>
#include <mutex>
#include <shared_mutex>

#include "strata/cpp/error.hpp"

#include "border/errors.hpp"

namespace strata::registry {
namespace {

// Leaked on purpose: plugins may ask for services until the process is gone.
struct ProcessHost {
  std::shared_mutex mutex;
  std::map<std::string, const void*, std::less<>> services;
  strata_host table{};
};

ProcessHost& process_host() {
  static auto* const host = new ProcessHost;
  return *host;
}

const void* get(strata_str id) {
  ProcessHost& host = process_host();
  const std::shared_lock lock(host.mutex);
  const auto found = host.services.find(border::view(id));
  return found == host.services.end() ? nullptr : found->second;
}

}  // namespace

const strata_host* make_host(const CoreServices& core, const std::vector<Service>& services) {
  ProcessHost& host = process_host();
  const std::unique_lock lock(host.mutex);
  const bool first = host.table.get == nullptr;
  if (first) {
    host.table = {STRATA_HDR(strata_host), core.error, core.log, core.config, &get};
  } else if (core.error != host.table.error || core.log != host.table.log ||
             core.config != host.table.config) {
    throw Error(STRATA_E_ARGUMENT, "this process has a host already, with other core services");
  }
  for (const Service& service : services) {
    const auto [known, added] = host.services.emplace(service.id, service.table);
    if (!added && known->second != service.table) {
      throw Error(STRATA_E_ARGUMENT,
                  text("the service ", service.id, " is given twice with different tables"));
    }
  }
  return &host.table;
}

}  // namespace strata::registry
