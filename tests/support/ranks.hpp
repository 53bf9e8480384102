// Runs a test's body on several ranks, as threads or processes. Fails, never hangs, when a rank leaves early.
#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

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

/// One rank: joins the world, runs the body. What it throws fails the test and ends the other ranks' waiting.
inline void run_one_rank(int rank, int world, const std::shared_ptr<comm::Store>& store, const RankOptions& options,
                         const std::function<void(comm::World&)>& body) {
  try {
    comm::WorldParts parts;
    if (world > 1) {
      parts.communicator = make_communicator(options.backend);
    }
    parts.store = store;
    parts.same_process = true;
    parts.timeout_ms = options.timeout_ms;
    comm::World ranks(info_of(rank, world), std::move(parts));
    try {
      body(ranks);
    } catch (...) {
      ranks.abort(text("rank ", rank, " failed in the test"));
      throw;
    }
  } catch (const std::exception& e) {
    ADD_FAILURE() << "rank " << rank << " of " << world << ": " << e.what();
  }
}

/// Runs body on `world` ranks that are threads of this process.
inline void run_ranks(int world, const std::function<void(comm::World&)>& body, const RankOptions& options = {}) {
  const auto store = std::make_shared<comm::LocalStore>();
  std::vector<std::thread> threads;
  threads.reserve(static_cast<size_t>(world));
  for (int rank = 0; rank < world; ++rank) {
    threads.emplace_back([&, rank] { run_one_rank(rank, world, store, options, body); });
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
