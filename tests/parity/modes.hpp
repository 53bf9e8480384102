// The ways to train that must all compute the same, as inline tables of a configuration.
#pragma once

#include <string>
#include <vector>

namespace strata::test {

struct Mode {
  std::string name;
  std::string strategy;
  bool reduces_every_micro = false;  // in a window ranks are added first, micro-batches then
};

/// DDP and the four modes of FSDP, wrapped as deep as the model is marked, with shapes that fit the world.
inline std::vector<Mode> fsdp_modes(int world) {
  const auto fsdp = [](const std::string& sharding, const std::string& more = {}) {
    return R"({ type = "FSDPStrategy", model_wrapper = { sharding_strategy = ")" + sharding +
           R"(", auto_wrap_policy = "always_wrap_policy")" + more + " } }";
  };
  const std::string mesh = world % 2 == 0 ? "[" + std::to_string(world / 2) + ", 2]"
                                          : "[1, " + std::to_string(world) + "]";
  return {{"FullShard", fsdp("FULL_SHARD")},
          {"ShardGradOp", fsdp("SHARD_GRAD_OP")},
          {"NoShard", fsdp("NO_SHARD")},
          {"HybridShard", fsdp("HYBRID_SHARD", ", device_mesh = " + mesh)}};
}

inline std::vector<Mode> zero_modes() {
  std::vector<Mode> modes;
  for (const char* stage : {"0", "1", "2", "3"}) {
    modes.push_back({std::string("Zero") + stage,
                     std::string("{ type = \"DeepSpeedStrategy\", zero_optimization = { stage = ") +
                         stage + ", reduce_bucket_size = 700 } }"});
  }
  return modes;
}

/// A ColossalAIStrategy; exact unless said otherwise.
inline std::string colossalai(const std::string& plugin,
                              const std::string& keys,
                              const std::string& precision = "fp32") {
  return R"({ type = "ColossalAIStrategy", plugin = { type = ")" + plugin + R"(", precision = ")" +
         precision + "\", " + keys + " } }";
}

/// Chunks of Gemini of so many elements in this world.
inline std::string chunks(int world, int elements) {
  return "chunk_config_dict = { " + std::to_string(world) +
         " = { chunk_size = " + std::to_string(elements) + " } }";
}

inline std::vector<Mode> colossalai_modes(int world) {
  const std::string bucket = ", reduce_bucket_size_in_m = 0.0007";  // 734 elements
  const std::string chunk = ", " + chunks(world, 700);
  return {{"LowLevelZero1", colossalai("LowLevelZeroPlugin", "stage = 1" + bucket)},
          {"LowLevelZero2", colossalai("LowLevelZeroPlugin", "stage = 2" + bucket)},
          {"Gemini", colossalai("GeminiPlugin", "max_prefetch = 1" + chunk)},
          {"GeminiHalf",
           colossalai("GeminiPlugin", "shard_param_frac = 0.5, offload_optim_frac = 0.25" + chunk)},
          {"GeminiAuto", colossalai("GeminiPlugin", "placement_policy = \"auto\"" + chunk)}};
}

/// What examples/03_write_a_strategy builds: stage 1 by someone who had the SDK and nothing else.
inline std::vector<Mode> example_modes() {
  return {{"ExampleZero1", "{ type = \"Zero1Strategy\" }"}};
}

/// Those of ColossalAI come last.
inline std::vector<Mode> all_modes(int world) {
  std::vector<Mode> modes = {{"Ddp", "{ type = \"DDPStrategy\" }"}};
  for (const auto& family :
       {fsdp_modes(world), zero_modes(), example_modes(), colossalai_modes(world)}) {
    modes.insert(modes.end(), family.begin(), family.end());
  }
  return modes;
}

}  // namespace strata::test
