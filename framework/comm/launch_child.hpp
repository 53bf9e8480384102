// What a freshly forked rank does before and after its body.
#pragma once

#include <functional>
#include <signal.h>

#include <sys/types.h>

#include "comm/launch_info.hpp"

namespace strata::comm {

struct ChildSetup {
  LaunchInfo info;
  pid_t parent = 0;
  int stderr_fd = -1;  ///< becomes its stderr
  sigset_t signals{};  ///< the mask to go back to
};

/// Ends the process with what body returns.
[[noreturn]] void run_child(const ChildSetup& setup,
                            const std::function<int(const LaunchInfo&)>& body);

}  // namespace strata::comm
