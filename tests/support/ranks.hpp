// Runs a test's body on several ranks, as threads or processes. Fails, never hangs, when a rank
// leaves early.
#pragma once

#include <chrono>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <sys/wait.h>

#include "comm/launch_info.hpp"
#include "comm/store.hpp"
#include "comm/world.hpp"
#include "plugin_host.hpp"

namespace strata::test {

struct RankOptions {
  std::string backend = "threads";  ///< "threads", "shm", "gloo"
  int64_t timeout_ms = 20'000;      ///< of a collective
};

/// The communicator plugin of that type, from the build tree.
inline comm::CommunicatorObject make_communicator(const std::string& type) {
  const std::string path = std::string(STRATA_PLUGIN_DIR) + "/communicator_" + type + ".so";
  return make_object<strata_communicator_api>(open_plugin(path), type);
}

inline comm::LaunchInfo info_of(int rank, int world) {
  comm::LaunchInfo info;
  info.rank = info.local_rank = rank;
  info.world_size = info.local_world_size = world;
  return info;
}

/// One rank: joins the world, runs the body. What it throws fails the test and ends the other
/// ranks' waiting.
inline void run_one_rank(const comm::LaunchInfo& info,
                         comm::WorldParts parts,
                         const std::function<void(comm::World&)>& body) {
  try {
    comm::World ranks(info, std::move(parts));
    try {
      body(ranks);
    } catch (...) {
      ranks.abort(text("rank ", info.rank, " failed in the test"));
      throw;
    }
  } catch (const std::exception& e) {
    ADD_FAILURE() << "rank " << info.rank << " of " << info.world_size << ": " << e.what();
  }
}

/// Runs body on `world` ranks that are threads of this process.
inline void run_ranks(int world,
                      const std::function<void(comm::World&)>& body,
                      const RankOptions& options = {}) {
  const auto store = std::make_shared<comm::LocalStore>();
  std::vector<comm::WorldParts> parts(static_cast<size_t>(world));
  for (comm::WorldParts& part : parts) {
    if (world > 1) {
      part.communicator = make_communicator(options.backend);  // here: plugins load on one thread
    }
    part.store = store;
    part.same_process = true;
    part.timeout_ms = options.timeout_ms;
  }
  std::vector<std::thread> threads;
  threads.reserve(parts.size());
  for (int rank = 0; rank < world; ++rank) {
    comm::WorldParts& mine = parts[static_cast<size_t>(rank)];
    threads.emplace_back([&, rank] { run_one_rank(info_of(rank, world), std::move(mine), body); });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
}

/// The message of the Error that body throws, or "" and a failure.
inline std::string error_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& e) {
    return e.what();
  }
  ADD_FAILURE() << "no error came";
  return {};
}

}  // namespace strata::test
