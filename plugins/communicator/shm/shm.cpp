// Communicator "shm": ranks are processes on one machine, over memory that all of them map.
#include <memory>
#include <string>

#include "strata/cpp/communicator.hpp"
#include "strata/kit/ranked_comm_group.hpp"

#include "shared_memory.hpp"

namespace {

using strata::view;

struct ShmConfig {
  int64_t slot_bytes = int64_t{4} << 20;
};

class Shm final : public strata::Communicator {
 public:
  explicit Shm(const ShmConfig& config) : config_(config) {}

  [[nodiscard]] strata_communicator_caps describe() const override {
    return {STRATA_HDR(strata_communicator_caps), 1U << STRATA_CPU, 1, 0, 0};
  }

  std::unique_ptr<strata::CommGroup> group_new(const strata_group_args& args) override {
    const std::string name(view(args.name));
    try {
      const auto memory =
          std::make_shared<shm::SharedMemory>(args.rank == 0 ? serve(args) : join(args));
      auto group = std::make_unique<strata::kit::RankedCommGroup>(strata::kit::RankedGroupArgs{
          memory->bytes(), memory, name, args.rank, args.size, args.timeout_ms, true});
      // All ranks have mapped it: no name is left that a killed run could leave behind.
      memory->close_file();
      return group;
    } catch (strata::Error& error) {
      throw error.add_context(
          strata::text("while rank ", args.rank, " joined group \"", name, "\""));
    }
  }

 private:
  static std::string key(const strata_group_args& args) {
    return "strata/shm/" + std::string(view(args.name));
  }

  [[nodiscard]] shm::SharedMemory serve(const strata_group_args& args) const {
    shm::SharedMemory memory =
        shm::SharedMemory::create(strata::kit::ranked_region_bytes(args.size, config_.slot_bytes));
    strata::kit::ranked_region_init(memory.bytes(), args.size, config_.slot_bytes);
    const std::string address = memory.address();
    const std::string at = key(args);
    strata::check(args.store->set(args.store->ctx, view(at), view(address)));
    return memory;
  }

  [[nodiscard]] static shm::SharedMemory join(const strata_group_args& args) {
    const strata::TextSink address;
    const std::string at = key(args);
    strata::check(args.store->get(args.store->ctx, view(at), args.timeout_ms, address.c()));
    return shm::SharedMemory::open(address.str());
  }

  ShmConfig config_;
};

}  // namespace

STRATA_PLUGIN(strata::exported<Shm, ShmConfig>("shm")
                  .doc("Ranks as processes of one machine, over shared memory")
                  .field("slot_bytes",
                         &ShmConfig::slot_bytes,
                         "shared memory of each rank for data under way",
                         "[65536, 1073741824]"));
