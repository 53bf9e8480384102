// The start-up dump.
#include "train/start_dump.hpp"

#include <fstream>
#include <thread>
#include <unistd.h>

#include <sys/utsname.h>
#include <torch/headeronly/version.h>

#include "strata/abi/core.h"
#include "strata/torch/build_tag.h"

#include "config/dump.hpp"

namespace strata::train {
namespace {

constexpr const char* kRule = "------------------------------------------------------------";

std::string platform() {
  utsname name{};
  uname(&name);
  return text(name.sysname, " ", name.release, " ", name.machine);
}

Facts runtime_facts(Session& session) {
  const RunConfig& run = session.run();
  return {
      {"device", run.device},
      {"dist_cfg",
       text("{backend: ", session.world().backend(), ", timeout: ", run.timeout_s, " s}")},
      {"seed", std::to_string(session.seed())},
      {"deterministic", run.deterministic ? "true" : "false"},
      {"Distributed launcher", session.launch().launcher},
      {"Distributed training", session.world().size() > 1 ? "true" : "false"},
      {"Ranks", std::to_string(session.world().size())},
  };
}

std::string lines_of(const Facts& facts) {
  std::string out;
  for (const auto& [key, value] : facts) {
    out += text("    ", key, ": ", value, "\n");
  }
  return out;
}

void write_file(const std::filesystem::path& path, const std::string& content) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream out(path, std::ios::trunc);
  out << content;
  out.close();
  if (!out) {
    throw Error(
        STRATA_E_IO,
        text("cannot write ", path.string(), "; is the disk full or the folder read-only?"));
  }
}

}  // namespace

Facts system_facts() {
  return {
      {"sys.platform", platform()},
      {"CPU threads", std::to_string(std::thread::hardware_concurrency())},
      {"CUDA available", "false (this build drives CPUs)"},
      {"Strata", text("0.1.0, plugin ABI ", STRATA_ABI_MAJOR, ".", STRATA_ABI_MINOR)},
      {"Compiler", __VERSION__},
      {"LibTorch", TORCH_VERSION},
      {"LibTorch build tag", STRATA_TORCH_BUILD_TAG},
  };
}

void log_start(Session& session, const std::string& hook_table) {
  log::Log& log = session.log();
  Facts plugins;
  for (const std::string& line : session.registry().fingerprint()) {
    plugins.emplace_back("plugin", line);
  }
  log.info("\n{}\nSystem environment:\n{}\nRuntime environment:\n{}{}\n{}",
           kRule,
           lines_of(system_facts()),
           lines_of(runtime_facts(session)),
           lines_of(plugins),
           kRule);
  log.info("Config:\n{}", config::dump(*session.run().root));
  log.info("Hooks will be executed in the following order:\n{}", hook_table);
}

void dump_config(const Session& session) {
  const std::string content = config::dump(*session.run().root);
  const std::string& given = session.run().experiment_name;
  const std::string name = (given.empty() ? session.timestamp() : given) + ".toml";
  write_file(session.work_dir() / name, content);
  write_file(session.log_dir() / "vis_data" / "config.toml", content);
}

}  // namespace strata::train
