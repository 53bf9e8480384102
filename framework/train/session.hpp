// One rank's surroundings: ranks, log, seed, folders, and the runtime that plugins are handed.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "border/runtime.hpp"
#include "comm/launch_info.hpp"
#include "comm/store.hpp"
#include "comm/world.hpp"
#include "hooks/message_hub.hpp"
#include "log/log.hpp"
#include "registry/registry.hpp"
#include "train/run_config.hpp"
#include "unit/memory.hpp"

namespace strata::train {

/// What a rank is started with.
struct Start {
  const config::Value& root;  // resolved, with defaults
  const RunConfig& run;
  const registry::Registry& registry;
  comm::LaunchInfo launch;
  std::shared_ptr<comm::Store> store;  // null for one rank
  bool same_process = false;           // ranks are threads
};

/// Not movable: plugins keep the address of the runtime. [main]
class Session {
 public:
  /// Joins the ranks, agrees on time and seed, makes the log folder (rank 0).
  /// Errors: STRATA_E_COMM when a rank does not come; STRATA_E_FAILED when ranks differ in configuration or plugins.
  explicit Session(const Start& start);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session();

  [[nodiscard]] const RunConfig& run() const { return run_; }

  [[nodiscard]] strata_runtime& runtime() { return runtime_; }

  [[nodiscard]] comm::World& world() { return *world_; }

  /// Where ranks leave each other notes, from any thread; null for one rank.
  [[nodiscard]] comm::Store* store() const { return store_.get(); }

  [[nodiscard]] log::Log& log() { return *log_; }

  [[nodiscard]] hooks::MessageHub& hub() { return hub_; }

  [[nodiscard]] const comm::LaunchInfo& launch() const { return launch_; }

  [[nodiscard]] const registry::Registry& registry() const { return registry_; }

  [[nodiscard]] int64_t seed() const { return seed_; }

  [[nodiscard]] const std::string& timestamp() const { return timestamp_; }

  [[nodiscard]] const std::string& experiment() const { return experiment_; }

  [[nodiscard]] const std::filesystem::path& work_dir() const { return work_dir_; }

  [[nodiscard]] const std::filesystem::path& log_dir() const { return log_dir_; }

  /// Compares configuration and loaded plugins with the other ranks'. After all plugins are loaded. Collective.
  void check_ranks_agree();

 private:
  void join_ranks(const Start& start);
  void agree_on_facts();
  void open_log();
  void prepare_process();
  void check_configs_agree();

  const config::Value& root_;
  const RunConfig& run_;
  const registry::Registry& registry_;
  comm::LaunchInfo launch_;
  std::shared_ptr<comm::Store> store_;
  config::Value communicator_table_;
  strata_runtime runtime_;
  unit::Memory memory_;
  hooks::MessageHub hub_;
  std::unique_ptr<comm::World> world_;
  std::unique_ptr<log::Log> log_;
  int64_t seed_ = 0;
  std::string timestamp_;
  std::string experiment_;
  std::filesystem::path work_dir_;
  std::filesystem::path log_dir_;
};

}  // namespace strata::train
