// Which rank this process is, as its launcher says it.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace strata::comm {

struct LaunchInfo {
  int rank = 0;
  int world_size = 1;
  int local_rank = 0;
  int local_world_size = 1;
  std::string master_addr = "127.0.0.1";
  int master_port = 29500;
  std::string launcher = "none";  ///< "none", "strata", "torchrun", "slurm", "mpi", "pmi"
  bool agent_store = false;       ///< the launcher serves the store already
  int restart = 0;                ///< how often the launcher has started this world anew
  int listen_fd = -1;             ///< rank 0: a socket that listens at master_port already, or -1
};

using Environment = std::function<const char*(const char*)>;

/// Reads what torchrun (RANK, WORLD_SIZE, …), Slurm, Open MPI or a PMI launcher has set, in this
/// order; one rank if there is nothing. A launcher of several ranks that names no local rank gets
/// it from the rank.
///
/// env    as std::getenv.
/// Errors: STRATA_E_CONFIG naming the variable that is missing or makes no sense.
LaunchInfo from_environment(const Environment& env);

/// The hosts of a Slurm node list: "a[01-03,7],b" are a01 a02 a03 a7 b.
/// Errors: STRATA_E_CONFIG, not such a list.
std::vector<std::string> expand_node_list(const std::string& list);

}  // namespace strata::comm
