// Communicator "threads": ranks are threads of one process, over memory of its heap. For tests and embedding.
#pragma once

#include <charconv>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <unistd.h>

#include "strata/cpp/communicator.hpp"
#include "strata/kit/ranked_comm_group.hpp"

namespace strata::threads {

struct STRATA_HIDDEN ThreadsConfig {
  int64_t slot_bytes = int64_t{1} << 20;
};

/// Zeroed heap memory that begins on a page.
struct STRATA_HIDDEN Region {
  explicit Region(int64_t size)
      : bytes(size), data(static_cast<std::byte*>(operator new(size, kPage))) {
    std::memset(data, 0, static_cast<size_t>(size));
  }

  Region(const Region&) = delete;
  Region& operator=(const Region&) = delete;

  ~Region() { operator delete(data, kPage); }

  static constexpr std::align_val_t kPage{4096};
  int64_t bytes;
  std::byte* data;
};

using SharedRegion = std::shared_ptr<Region>;

// What rank 0 tells the others: where its pointer to the region lies, and in which process.
inline std::string address_text(const SharedRegion& region) {
  return text(getpid(), ':', reinterpret_cast<uintptr_t>(&region));
}

inline SharedRegion region_at(const std::string& address, const std::string& group) {
  const size_t colon = address.find(':');
  if (address.substr(0, colon) != std::to_string(getpid())) {
    throw strata::Error(STRATA_E_COMM,
                        text("group \"",
                             group,
                             "\": communicator \"threads\" joins threads of one "
                             "process, this is another one; use \"shm\" or \"gloo\""));
  }
  uintptr_t value = 0;
  std::from_chars(address.data() + colon + 1, address.data() + address.size(), value);
  // NOLINTNEXTLINE(performance-no-int-to-ptr): a text is how the address comes from the other thread
  return *reinterpret_cast<const SharedRegion*>(value);
}

class STRATA_HIDDEN Threads : public strata::Communicator {
 public:
  explicit Threads(const ThreadsConfig& config) : config_(config) {}

  [[nodiscard]] strata_communicator_caps describe() const override {
    return {STRATA_HDR(strata_communicator_caps), 1U << STRATA_CPU, 1, 1, 0};
  }

  std::unique_ptr<strata::CommGroup> group_new(const strata_group_args& args) override {
    const std::string name(view(args.name));
    const std::string key = "strata/threads/" + name;
    const strata_store& store = *args.store;
    SharedRegion region;
    if (args.rank == 0) {
      region =
          std::make_shared<Region>(strata::kit::ranked_region_bytes(args.size, config_.slot_bytes));
      const auto bytes = static_cast<size_t>(region->bytes);
      strata::kit::ranked_region_init({region->data, bytes}, args.size, config_.slot_bytes);
      const std::string address = address_text(region);
      strata::check(store.set(store.ctx, view(key), view(address)));
    } else {
      const strata::TextSink address;
      strata::check(store.get(store.ctx, view(key), args.timeout_ms, address.c()));
      region = region_at(address.str(), name);
    }
    // Returns when all ranks have joined, and so have copied rank 0's pointer.
    return std::make_unique<strata::kit::RankedCommGroup>(
        strata::kit::RankedGroupArgs{{region->data, static_cast<size_t>(region->bytes)},
                                     region,
                                     name,
                                     args.rank,
                                     args.size,
                                     args.timeout_ms,
                                     false});
  }

 private:
  ThreadsConfig config_;
};

}  // namespace strata::threads
