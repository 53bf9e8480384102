// Starts several ranks on this machine and sees to it that they end together.
#pragma once

#include <chrono>
#include <functional>

#include "comm/launch_info.hpp"

namespace strata::comm {

/// Runs body as ranks 0 … nproc-1, each in a process forked from this one, and waits for all.
///
/// Each rank has RANK, WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE, MASTER_ADDR and MASTER_PORT in its
/// environment and is the leader of its process group. An exception that leaves body is printed and
/// counts as exit code 1. A rank that fails ends the others: SIGTERM, after five seconds SIGKILL. One that ends with 128 + SIGINT
/// or SIGTERM was told to, and has told the others: they have the five seconds without a signal.
/// SIGINT and SIGTERM to this process go to the ranks, which have stop_grace to save what they want to; then, or at a second one,
/// they are killed. If this process dies, so do they. What ranks write to stderr comes out of this one's, and the last lines of
/// the rank that failed are said again at the end.
///
/// Returns  0; the exit code of the rank that failed first; 1 when a signal that did not come through here ended it;
///          128 + n when this process was told by signal n to end
/// Thread   [main], before this process has started any other
/// Errors   STRATA_E_FAILED: the system gives no process, pipe or socket; no rank is left then
int launch_local(int nproc,
                 const std::function<int(const LaunchInfo&)>& body,
                 std::chrono::seconds stop_grace = std::chrono::seconds(60));

}  // namespace strata::comm
