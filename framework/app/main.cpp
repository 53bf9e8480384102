// The strata program.
#include <csignal>
#include <malloc.h>

#include "app/cli.hpp"
#include "unit/tensor_memory.hpp"

int main(int argc, char** argv) {
  // glibc gives freed pages back and faults them in again: 17 % of a GPT-2 step. Keep them, but for the few tensors so
  // large that what they leave behind is never filled again (docs/decisions/0006).
  constexpr int kMiB = 1 << 20;
  mallopt(M_TRIM_THRESHOLD, 1024 * kMiB);
  mallopt(M_MMAP_THRESHOLD, 128 * kMiB);
  strata::unit::track_tensor_memory();
  std::signal(SIGXFSZ,
              SIG_IGN);  // a file-size limit is an error of write(), not the end of the process
  return strata::app::run_cli(argc, argv);
}
