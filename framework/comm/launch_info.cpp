// Reading the launchers' environment variables.
#include "comm/launch_info.hpp"

#include <array>
#include <charconv>
#include <optional>

#include "strata/cpp/error.hpp"

namespace strata::comm {
namespace {

constexpr int kMaxRanks = 1 << 20;
constexpr int kMaxPort = 65535;

using Either = std::array<const char*, 2>;  // names of one value; the second may be NULL

// One launcher's variables.
struct Names {
  const char* launcher;
  const char* rank;
  const char* world_size;
  Either local_rank;
  Either local_size;
};

class Reader {
 public:
  explicit Reader(const Environment& env) : env_(env) {}

  [[nodiscard]] bool has(const char* name) const { return text_of(name).has_value(); }

  [[nodiscard]] std::optional<std::string> text_of(const char* name) const {
    const char* value = env_(name);
    return value == nullptr || *value == '\0' ? std::nullopt : std::optional<std::string>(value);
  }

  // Slurm writes "4(x2)" for four on each of two hosts: the number before the bracket counts.
  [[nodiscard]] std::optional<int> number(const char* name, int low, int high) const {
    const std::optional<std::string> value = text_of(name);
    if (!value) {
      return std::nullopt;
    }
    int out = 0;
    const char* end = value->data() + value->size();
    const auto [rest, error] = std::from_chars(value->data(), end, out);
    if (error != std::errc() || (rest != end && *rest != '(' && *rest != ',') || out < low ||
        out > high) {
      throw config_error({},
                         "environment variable ",
                         name,
                         "=",
                         *value,
                         ": expected a whole number from ",
                         low,
                         " to ",
                         high);
    }
    return out;
  }

  [[nodiscard]] int required(const char* name, const char* because, int low, int high) const {
    if (const auto value = number(name, low, high)) {
      return *value;
    }
    throw config_error({},
                       "environment variable ",
                       name,
                       " is missing although ",
                       because,
                       " is set: start every rank by the launcher, or unset ",
                       because);
  }

  [[nodiscard]] std::optional<int> first(const Either& names, int low, int high) const {
    for (const char* name : names) {
      const auto value = name != nullptr ? number(name, low, high) : std::nullopt;
      if (value) {
        return value;
      }
    }
    return std::nullopt;
  }

 private:
  const Environment& env_;
};

LaunchInfo read_ranks(const Reader& env, const Names& names) {
  LaunchInfo info;
  info.launcher = names.launcher;
  info.world_size = env.required(names.world_size, names.rank, 1, kMaxRanks);
  info.rank = env.required(names.rank, names.world_size, 0, kMaxRanks);
  if (info.rank >= info.world_size) {
    throw config_error({},
                       "environment variable ",
                       names.rank,
                       "=",
                       info.rank,
                       ": there are only ",
                       info.world_size,
                       " ranks by ",
                       names.world_size);
  }
  const auto local_size = env.first(names.local_size, 1, kMaxRanks);
  info.local_world_size = local_size.value_or(info.world_size);
  const auto local_rank = env.first(names.local_rank, 0, kMaxRanks);
  info.local_rank = local_rank.value_or(info.rank % info.local_world_size);
  if (local_rank && local_size && *local_rank >= *local_size) {
    throw config_error({},
                       "environment variable ",
                       names.local_rank.front(),
                       "=",
                       *local_rank,
                       ": there are only ",
                       *local_size,
                       " ranks on this machine");
  }
  return info;
}

void read_master(const Reader& env, LaunchInfo& info) {
  const auto address = env.text_of("MASTER_ADDR");
  const auto nodes = env.text_of("SLURM_NODELIST");
  if (address) {
    info.master_addr = *address;
  } else if (info.launcher == "slurm" && nodes) {
    info.master_addr = expand_node_list(*nodes).front();
  } else if (info.world_size > info.local_world_size) {
    throw config_error(
        {},
        "environment variable MASTER_ADDR is missing: set it to the host of rank 0 (",
        info.launcher,
        " started ranks on several machines)");
  }
  info.master_port = env.number("MASTER_PORT", 1, kMaxPort).value_or(info.master_port);
}

}  // namespace

LaunchInfo from_environment(const Environment& environment) {
  static constexpr Names kTorchrun{
      "torchrun", "RANK", "WORLD_SIZE", {"LOCAL_RANK"}, {"LOCAL_WORLD_SIZE"}};
  static constexpr Names kSlurm{"slurm",
                                "SLURM_PROCID",
                                "SLURM_NTASKS",
                                {"SLURM_LOCALID"},
                                {"SLURM_NTASKS_PER_NODE", "SLURM_TASKS_PER_NODE"}};
  static constexpr Names kOpenMpi{"mpi",
                                  "OMPI_COMM_WORLD_RANK",
                                  "OMPI_COMM_WORLD_SIZE",
                                  {"OMPI_COMM_WORLD_LOCAL_RANK"},
                                  {"OMPI_COMM_WORLD_LOCAL_SIZE"}};
  static constexpr Names kPmi{"pmi",
                              "PMI_RANK",
                              "PMI_SIZE",
                              {"MPI_LOCALRANKID", "PMI_LOCAL_RANK"},
                              {"MPI_LOCALNRANKS", "PMI_LOCAL_SIZE"}};

  const Reader env(environment);
  for (const Names* names : {&kTorchrun, &kSlurm, &kOpenMpi, &kPmi}) {
    // A shell inside a Slurm allocation has SLURM_NTASKS but was not started as a rank of it.
    const bool started = names == &kTorchrun ? env.has(names->rank) || env.has(names->world_size)
                                             : env.has(names->rank);
    if (!started) {
      continue;
    }
    LaunchInfo info = read_ranks(env, *names);
    read_master(env, info);
    if (names == &kTorchrun) {
      const std::string agent = env.text_of("TORCHELASTIC_USE_AGENT_STORE").value_or("");
      info.agent_store = agent == "True" || agent == "true" || agent == "1";
      info.restart = env.number("TORCHELASTIC_RESTART_COUNT", 0, kMaxRanks).value_or(0);
    }
    return info;
  }
  return {};
}

}  // namespace strata::comm
