// The keys of other kinds of parallelism and of training techniques that DeepSpeed brings along. Off,
// they are accepted.
#include "keys.hpp"

// clang-format off: a row of the table is a line or two
namespace strata::deepspeed::rows {
namespace {

constexpr const char* kPipeline = "pipeline";
constexpr const char* kStages = "models run on one rank from end to end, without pipeline stages";
constexpr const char* kElastic = "elasticity";
constexpr const char* kTensor = "tensor_parallel";

/// A section that may hold anything as long as it does not switch itself on.
Key switched(const char* name, const char* off, const char* reason) {
  return {"", name, Kind::kTable, off, "", Fate::kRefused, reason};
}

constexpr const char* kNotEnabled = R"({"enabled": false})";
constexpr const char* kEmpty = "{}";

std::vector<Key> techniques() {
  return {
      switched("hybrid_engine", kNotEnabled, "generating text between updates is not implemented"),
      switched("compile", R"({"deepcompile": false, "enabled": false})",
               "models are LibTorch code; there is no graph for DeepCompile to change"),
      switched("expert_parallel", kNotEnabled, "experts are not split over ranks"),
      switched("data_efficiency", kNotEnabled, "the loader's sampler chooses the samples"),
      switched("curriculum_learning", kNotEnabled, "sequence lengths do not change during a run"),
      switched("compression_training", kEmpty, "weights are neither pruned nor quantised"),
      switched("quantize_training", kNotEnabled, "weights are not quantised"),
      switched("weight_quantization", kEmpty, "weights are not quantised"),
      switched("progressive_layer_drop", kNotEnabled, "no layer is dropped"),
      switched("eigenvalue", kNotEnabled, "no eigenvalue of the Hessian is computed"),
      switched("sparse_attention", kEmpty, "the models' attention is dense"),
      switched("nebula", kNotEnabled, "Nebula is a service of Azure; the host writes checkpoints itself"),
      switched("datastates_ckpt", kEmpty, "the host writes checkpoints itself"),
  };
}

}  // namespace

std::vector<Key> parallelism() {
  std::vector<Key> all = {
      section("", "pipeline", "stages of a PipelineModule"),
      {kPipeline, "stages", Kind::kAny, "\"auto\"", "", Fate::kIgnored, kStages},
      ignored(kPipeline, "partition", Kind::kText, "\"best\"", kStages),
      ignored(kPipeline, "seed_layers", Kind::kBool, "false", kStages),
      ignored(kPipeline, "activation_checkpoint_interval", Kind::kInt, "0", kStages),
      ignored(kPipeline, "pipe_partitioned", Kind::kBool, "true", kStages),
      ignored(kPipeline, "grad_partitioned", Kind::kBool, "true", kStages),
      ignored(kPipeline, "use_reentrant", Kind::kBool, "true", kStages),

      section("", "elasticity", "a batch size for many numbers of ranks"),
      refused(kElastic, "enabled", Kind::kBool, "false",
              "the batch size is what the loader says; a checkpoint resumes on any number of ranks"),
      section("", "tensor_parallel", "layers split over ranks"),
      refused(kTensor, "autotp_size", Kind::kInt, "0", "layers are not split over ranks"),
      unused(kTensor, "tp_overlap_comm", Kind::kBool, "false", kOff),
      section(kTensor, "tp", "layers split over ranks"),
      refused("tensor_parallel.tp", "tp_size", Kind::kInt, "1", "layers are not split over ranks"),
      unused("tensor_parallel.tp", "tp_grain_size", Kind::kInt, "1", kOff),
      unused(kTensor, "preset_model", Kind::kAny, "", kOff),
      unused(kTensor, "partition_config", Kind::kTable, "", kOff),
  };
  for (const char* key :
       {"max_train_batch_size", "micro_batch_sizes", "min_gpus", "max_gpus", "min_time", "version",
        "prefer_larger_batch", "ignore_non_elastic_batch_info", "num_gpus_per_node", "model_parallel_size"}) {
    all.push_back(unused(kElastic, key, Kind::kAny, "", kOff));
  }
  for (Key& key : techniques()) {
    all.push_back(std::move(key));
  }
  return all;
}

}  // namespace strata::deepspeed::rows
