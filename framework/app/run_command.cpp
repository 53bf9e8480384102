// strata train | val | test: one process for each rank, from the configuration to the exit code.
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iostream>

#include "strata/cpp/error.hpp"

#include "app/cli.hpp"
#include "app/preflight.hpp"
#include "comm/launch.hpp"
#include "comm/launch_info.hpp"
#include "comm/store.hpp"
#include "config/load.hpp"
#include "train/runner.hpp"
#include "train/session.hpp"

namespace strata::app {
namespace {

// Set by the signal handler, read between iterations.
// NOLINTNEXTLINE(cppcoreguidelines-avoid-non-const-global-variables): handlers have no argument
std::atomic<int> g_signal{0};

void remember_signal(int number) {
  g_signal.store(number);
}

void catch_signals() {
  for (const int number : {SIGINT, SIGTERM}) {
    struct sigaction action{};
    action.sa_handler = &remember_signal;
    action.sa_flags = SA_RESETHAND;  // the second one ends the process at once
    sigaction(number, &action, nullptr);
  }
}

// As a value of the configuration: the command line's flags are overrides like any other.
std::vector<std::string> all_overrides(const RunOptions& options) {
  std::vector<std::string> all = options.overrides;
  const auto add = [&all](const char* key, const std::string& value) {
    if (!value.empty()) {
      const char quote = value.find('"') == std::string::npos ? '"' : '\'';
      all.push_back(std::string(key) + "=" + quote + value + quote);
    }
  };
  add("work_dir", options.work_dir);
  add("load_from", options.load_from);
  add("resume", options.resume_path);
  if (options.resume && options.resume_path.empty()) {
    all.emplace_back("resume=true");
  }
  return all;
}

// Returns the exit code.
int run(train::Session& session, const RunOptions& options) {
  train::Runner runner(session, options.command, [] { return g_signal.load(); });
  if (options.command != train::Command::kTrain) {
    runner.evaluate();
    return 0;
  }
  runner.train();
  if (!runner.stopped() || runner.stopped()->signal == 0) {
    return 0;
  }
  std::fprintf(stderr,
               "stopped: rank %d: stopped by a signal at iteration %lld, which was saved\n",
               session.world().rank(),
               static_cast<long long>(runner.progress().iter));
  return 128 + runner.stopped()->signal;
}

// A rank that stops takes the others with it; any other failure is one, also after a signal.
bool ended_by_signal(const std::exception& e) {
  const auto* error = dynamic_cast<const Error*>(&e);
  return error != nullptr && (error->code() == STRATA_E_STOPPED || error->code() == STRATA_E_COMM);
}

// The others must not wait for a rank that gives up.
int run_or_abort(train::Session& session, const RunOptions& options) {
  try {
    return run(session, options);
  } catch (const std::exception& e) {
    const int number = ended_by_signal(e) ? g_signal.load() : 0;
    session.world().abort(
        text("rank ",
             session.world().rank(),
             ": ",
             number != 0 ? text("stopped by signal ", number) : std::string(e.what())));
    throw;
  }
}

int run_rank(const config::Value& root, const RunOptions& options, const comm::LaunchInfo& launch) {
  catch_signals();
  try {
    const train::RunConfig run_config =
        train::parse_run_config(root, std::filesystem::path(options.config).stem().string());
    const auto registry = make_registry(run_config);
    std::shared_ptr<comm::Store> store;
    if (launch.world_size > 1) {
      store = comm::connect_tcp_store(launch, std::chrono::seconds(run_config.timeout_s));
    }
    train::Session session({root, run_config, *registry, launch, store});
    return run_or_abort(session, options);
  } catch (const std::exception& e) {
    const int number = ended_by_signal(e) ? g_signal.load() : 0;
    std::fprintf(
        stderr, "%s: rank %d: %s\n", number != 0 ? "stopped" : "error", launch.rank, e.what());
    return number != 0 ? 128 + number : kFailed;
  }
}

// `launcher` only confirms what the environment says.
void check_launcher(const config::Value& root, const comm::LaunchInfo& launch) {
  const config::Value* key = root.find("launcher");
  if (key == nullptr || !key->is_text()) {
    return;
  }
  const std::string found = launch.launcher == "torchrun" ? "pytorch"
                            : launch.launcher == "pmi"    ? "mpi"
                                                          : launch.launcher;
  if (key->as_text() != found) {
    throw config_error(key->where(),
                       "launcher = \"",
                       key->as_text(),
                       "\", but the environment is that of \"",
                       found,
                       "\"; leave the key out, or start the run with that launcher");
  }
}

}  // namespace

config::Value load_config(const RunOptions& options, int world_size) {
  config::Value root = config::load(options.config, all_overrides(options));
  train::write_defaults(root, world_size);
  return root;
}

int run_command(const RunOptions& options) {
  const comm::LaunchInfo launch =
      comm::from_environment([](const char* name) { return std::getenv(name); });
  if (options.nproc > 0 && launch.world_size > 1) {
    throw config_error({},
                       "--nproc ",
                       options.nproc,
                       " under a launcher (",
                       launch.launcher,
                       ") that started ",
                       launch.world_size,
                       " ranks; leave --nproc out");
  }
  const int world_size = options.nproc > 0 ? options.nproc : launch.world_size;
  config::Value root = load_config(options, world_size);
  check_launcher(root, launch);
  preflight(root, options, world_size, launch);
  if (options.dry_run) {
    std::cout << options.config << ": no problem found\n";
    return 0;
  }
  if (options.nproc <= 1) {
    return run_rank(root, options, launch);
  }
  try {
    return comm::launch_local(
        options.nproc,
        [&](const comm::LaunchInfo& info) { return run_rank(root, options, info); },
        std::chrono::seconds(root.get_or<int64_t>("env_cfg.stop_timeout_s", 60)));
  } catch (const std::exception& e) {
    print_error(e);
    return kFailed;
  }
}

}  // namespace strata::app
