// Joining the ranks and agreeing on what all of them must know.
#include "train/session.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <random>

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <sys/resource.h>

#include "strata/cpp/error.hpp"

#include "checkpoint/file_out.hpp"
#include "config/diff.hpp"
#include "config/dump.hpp"
#include "config/parse.hpp"
#include "config/value.hpp"
#include "train/checkpoints.hpp"
#include "train/components.hpp"
#include "unit/model.hpp"

namespace strata::train {
namespace {

std::string local_timestamp() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  localtime_r(&now, &parts);
  std::array<char, 32> buffer{};
  std::strftime(buffer.data(), buffer.size(), "%Y%m%d_%H%M%S", &parts);
  return buffer.data();
}

// FNV-1a: ranks compare it, nobody attacks it.
uint64_t hash(const std::string& text) {
  uint64_t h = 0xcbf29ce484222325ULL;
  for (const char c : text) {
    h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  }
  return h;
}

void check_equal(const std::vector<std::string>& all, const char* what, const char* advice) {
  for (size_t rank = 1; rank < all.size(); ++rank) {
    if (all[rank] != all[0]) {
      throw run_error("rank ",
                      rank,
                      " has ",
                      what,
                      " unlike rank 0's: ",
                      advice,
                      "\n  rank 0: ",
                      all[0],
                      "\n  rank ",
                      rank,
                      ": ",
                      all[rank]);
    }
  }
}

}  // namespace

Session::Session(const Start& start)
    : root_(start.root),
      run_(start.run),
      registry_(start.registry),
      launch_(start.launch),
      store_(start.store),
      memory_(start.run.poison_memory) {
  runtime_.memory = &memory_;
  runtime_.hub = &hub_;
  join_ranks(start);
  runtime_.comm = world_.get();
  agree_on_facts();
  open_log();
  prepare_process();
}

Session::~Session() = default;

void Session::join_ranks(const Start& start) {
  if (launch_.world_size == 1) {
    world_ = std::make_unique<comm::World>();
    return;
  }
  const std::chrono::milliseconds timeout = std::chrono::seconds(run_.timeout_s);
  comm::WorldParts parts;
  parts.store = start.store;
  parts.hosts = comm::host_map(launch_, *start.store, timeout);
  parts.same_process = start.same_process;
  parts.timeout_ms = timeout.count();
  const bool one_host = std::ranges::all_of(
      parts.hosts, [&](const std::string& host) { return host == parts.hosts.front(); });
  const std::string type = comm::choose(STRATA_CPU, one_host, start.same_process, run_.backend);
  const config::Value* asked = run_.root->find("env_cfg.dist_cfg.backend");
  communicator_table_ = typed_table(type, asked == nullptr ? "default" : asked->where());
  parts.communicator = Factory{registry_, &runtime_}.communicator(communicator_table_);
  world_ = std::make_unique<comm::World>(launch_, std::move(parts));
}

void Session::agree_on_facts() {
  timestamp_ = world_->broadcast_text(local_timestamp());
  const std::optional<int64_t> given = run_.seed.has_value() ? run_.seed : resumed_seed(run_);
  seed_ = given.value_or(0);
  if (!given.has_value()) {
    constexpr uint32_t kMaxSeed = 0x7FFFFFFFU;  // as MMEngine: below 2^31
    seed_ = std::stoll(world_->broadcast_text(std::to_string(std::random_device{}() & kMaxSeed)));
  }
  experiment_ = (run_.experiment_name.empty() ? "" : run_.experiment_name + "_") + timestamp_;
  work_dir_ = std::filesystem::absolute(run_.work_dir).lexically_normal();
  log_dir_ = work_dir_ / timestamp_;
}

void Session::open_log() {
  if (world_->is_main()) {
    try {
      checkpoint::make_folders(log_dir_);  // synced, as are the checkpoints in the work_dir
    } catch (const Error& e) {
      throw Error(e.code(), text(e.message(), "; change work_dir"));
    }
  }
  world_->barrier();
  log_ = std::make_unique<log::Log>(
      log::Options{world_->rank(), log::parse_level(run_.log_level), log_dir_, timestamp_});
  runtime_.log = log_.get();
}

void Session::prepare_process() {
  // As MMEngine: ranks share the machine's cores, so operators get one thread each unless the user said otherwise.
  if (world_->size() > 1 && std::getenv("OMP_NUM_THREADS") == nullptr) {
    at::set_num_threads(1);
    log_->info(
        "Operators run on 1 thread in each of the {} ranks; set OMP_NUM_THREADS for another "
        "number.",
        world_->size());
  }
  // What a forward draws (dropout) differs by rank; what ranks share is drawn elsewhere, from the seed alone.
  at::manual_seed(unit::seed_of(static_cast<uint64_t>(seed_), text("rank ", world_->rank())));
  at::globalContext().setDeterministicAlgorithms(run_.deterministic, /*warn_only=*/false);
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = std::min(std::max<rlim_t>(files.rlim_cur, run_.open_files), files.rlim_max);
    setrlimit(RLIMIT_NOFILE, &files);
  }
}

// Hashes first: configurations are long, and equal nearly always.
void Session::check_configs_agree() {
  const std::string mine = config::dump(root_);
  const std::vector<std::string> hashes = world_->all_gather_text(std::to_string(hash(mine)));
  const auto other = std::ranges::find_if(hashes, [&](const auto& h) { return h != hashes[0]; });
  if (other == hashes.end()) {
    return;
  }
  const std::vector<std::string> dumps = world_->all_gather_text(mine);
  const auto rank = other - hashes.begin();
  std::string differing;
  for (const std::string& line :
       config::diff(config::parse_toml(dumps[0], "rank 0"),
                    config::parse_toml(dumps[static_cast<size_t>(rank)], "the other"))) {
    differing += "\n  " + line;
  }
  throw run_error(
      "rank ",
      rank,
      " has another configuration than rank 0; start every rank with the same file, options "
      "and environment. Rank 0 (-) and rank ",
      rank,
      " (+):",
      differing);
}

void Session::check_ranks_agree() {
  if (world_->size() == 1) {
    return;
  }
  check_configs_agree();
  std::string plugins;
  for (const std::string& line : registry_.fingerprint()) {
    plugins += (plugins.empty() ? "" : "; ") + line;
  }
  check_equal(world_->all_gather_text(plugins),
              "plugin builds",
              "install the same plugins on every machine");
}

}  // namespace strata::train
