// The keys of offloading to CPU memory and NVMe. Nothing is offloaded: on a CPU there is nowhere to.
#include "keys.hpp"

// clang-format off: a row of the table is a line or two
namespace strata::deepspeed::rows {
namespace {

constexpr const char* kParam = "zero_optimization.offload_param";
constexpr const char* kOptimizer = "zero_optimization.offload_optimizer";
constexpr const char* kAio = "aio";
constexpr const char* kNowhere =
    "offloading is not implemented: this build computes on CPUs, where parameters and optimizer "
    "state are in CPU memory already; write \"none\" or leave the section out";
constexpr const char* kOf = "of an offload that is off";
constexpr const char* kNoNvme = "nothing is offloaded to NVMe";

}  // namespace

std::vector<Key> offload() {
  return {
      section(kZero, "offload_param", "where parameters wait"),
      refused(kParam, "device", Kind::kText, "\"none\"", kNowhere),
      unused(kParam, "nvme_path", Kind::kText, "", kOf),
      unused(kParam, "buffer_count", Kind::kInt, "5", kOf),
      unused(kParam, "buffer_size", Kind::kInt, "1e8", kOf),
      unused(kParam, "max_in_cpu", Kind::kInt, "1e9", kOf),
      unused(kParam, "pin_memory", Kind::kBool, "true", kOf),
      section(kZero, "offload_optimizer", "where optimizer state lies"),
      refused(kOptimizer, "device", Kind::kText, "\"none\"", kNowhere),
      unused(kOptimizer, "nvme_path", Kind::kText, "", kOf),
      unused(kOptimizer, "buffer_count", Kind::kInt, "4", kOf),
      unused(kOptimizer, "pin_memory", Kind::kBool, "true", kOf),
      unused(kOptimizer, "pipeline_read", Kind::kBool, "false", kOf),
      unused(kOptimizer, "pipeline_write", Kind::kBool, "false", kOf),
      unused(kOptimizer, "pipeline", Kind::kBool, "false", kOf),
      unused(kOptimizer, "fast_init", Kind::kBool, "false", kOf),
      unused(kOptimizer, "ratio", Kind::kFloat, "1.0", kOf),
      refused(kOptimizer, "super_offload", Kind::kBool, "false", kNowhere),
      unused(kOptimizer, "cpuadam_cores_perc", Kind::kFloat, "0.8", kOf),
      refused(kZero, "cpu_offload", Kind::kBool, "false", kNowhere),
      refused(kZero, "cpu_offload_params", Kind::kBool, "false", kNowhere),
      refused(kZero, "cpu_offload_param", Kind::kBool, "false", kNowhere),
      unused(kZero, "cpu_offload_use_pin_memory", Kind::kBool, "false", kOf),

      section("", "aio", "reading and writing NVMe"),
      ignored(kAio, "block_size", Kind::kInt, "1048576", kNoNvme),
      ignored(kAio, "queue_depth", Kind::kInt, "8", kNoNvme),
      ignored(kAio, "intra_op_parallelism", Kind::kInt, "1", kNoNvme),
      renamed(kAio, "thread_count", "intra_op_parallelism"),
      ignored(kAio, "single_submit", Kind::kBool, "false", kNoNvme),
      ignored(kAio, "overlap_events", Kind::kBool, "true", kNoNvme),
      ignored(kAio, "use_gds", Kind::kBool, "false", kNoNvme),
  };
}

}  // namespace strata::deepspeed::rows
