// A rank of launch_local(), from its fork to its end.
#include "comm/launch_child.hpp"

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <unistd.h>

#include <sys/prctl.h>

namespace strata::comm {
namespace {

void set(const char* name, const std::string& value) {
  setenv(name, value.c_str(), 1);
}

void set_environment(const LaunchInfo& info) {
  set("RANK", std::to_string(info.rank));
  set("WORLD_SIZE", std::to_string(info.world_size));
  set("LOCAL_RANK", std::to_string(info.local_rank));
  set("LOCAL_WORLD_SIZE", std::to_string(info.local_world_size));
  set("MASTER_ADDR", info.master_addr);
  set("MASTER_PORT", std::to_string(info.master_port));
}

}  // namespace

void run_child(const ChildSetup& setup, const std::function<int(const LaunchInfo&)>& body) {
  // The parent forwards the terminal's signals: in a group of its own the rank gets each of them
  // once.
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != setup.parent) {
    _exit(1);  // it died before the line above
  }
  dup2(setup.stderr_fd, STDERR_FILENO);
  close(setup.stderr_fd);
  set_environment(setup.info);
  sigprocmask(SIG_SETMASK, &setup.signals, nullptr);

  int code = 1;
  try {
    code = body(setup.info);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "rank %d: %s\n", setup.info.rank, e.what());
  } catch (...) {
    std::fprintf(stderr, "rank %d: an exception of unknown type\n", setup.info.rank);
  }
  std::fflush(nullptr);
  _exit(code);  // what the parent has registered for its own end is not this process's to run
}

}  // namespace strata::comm
