// The keys of a configuration that the host reads itself, in MMEngine's names.
#include "train/run_config.hpp"

namespace strata::train {
namespace {

using config::FieldSpec;

FieldSpec field(const char* name,
                int32_t kind,
                const char* doc,
                const char* def = "",
                const char* allowed = "") {
  return {name, kind, doc, def, allowed, false, {}};
}

FieldSpec table(const char* name, const char* doc, std::vector<FieldSpec> fields) {
  return {name, STRATA_FIELD_NODE, doc, "", "table", false, std::move(fields)};
}

FieldSpec any(const char* name, const char* doc, const char* allowed) {
  return {name, STRATA_FIELD_NODE, doc, "", allowed, false, {}};
}

FieldSpec required(FieldSpec f) {
  f.required = true;
  return f;
}

std::vector<FieldSpec> loader_fields() {
  return {
      required(any("dataset", "a data set; its `transforms` are the host's", "table")),
      required(any("sampler", "DefaultSampler or InfiniteSampler", "table")),
      field("batch_size", STRATA_FIELD_INT, "samples of one rank's batch", "1", "[1, inf)"),
      field(
          "num_workers", STRATA_FIELD_INT, "threads that make batches; 0: none", "0", "[0, 1024]"),
      field("prefetch_factor",
            STRATA_FIELD_INT,
            "batches made ahead by each worker",
            "2",
            "[1, 1024]"),
      field("drop_last", STRATA_FIELD_BOOL, "leave out a last, smaller batch", "false"),
      field("persistent_workers", STRATA_FIELD_BOOL, "keep the threads between epochs", "false"),
      field("pin_memory", STRATA_FIELD_BOOL, "accepted; of no effect on a CPU", "false"),
      field("collate_fn",
            STRATA_FIELD_TEXT,
            "how samples become a batch",
            "\"default_collate\"",
            "default_collate"),
  };
}

FieldSpec train_cfg() {
  return table("train_cfg",
               "the training loop",
               {
                   field("by_epoch", STRATA_FIELD_BOOL, "epochs or iterations"),
                   field("type",
                         STRATA_FIELD_TEXT,
                         "instead of by_epoch",
                         "",
                         "EpochBasedTrainLoop|IterBasedTrainLoop"),
                   field("max_epochs", STRATA_FIELD_INT, "epochs to train", "", "[1, inf)"),
                   field("max_iters", STRATA_FIELD_INT, "iterations to train", "", "[1, inf)"),
                   field("val_begin",
                         STRATA_FIELD_INT,
                         "first epoch or iteration to validate after",
                         "1",
                         "[0, inf)"),
                   field("val_interval",
                         STRATA_FIELD_INT,
                         "validate every so many (1, or 1000 iterations)",
                         "",
                         "[1, inf)"),
               });
}

FieldSpec env_cfg() {
  return table(
      "env_cfg",
      "the environment of a run",
      {
          field("cudnn_benchmark", STRATA_FIELD_BOOL, "of no effect on a CPU", "false"),
          any("mp_cfg", "accepted; data workers are threads", "table"),
          table(
              "dist_cfg",
              "communication",
              {
                  field(
                      "backend", STRATA_FIELD_TEXT, "a communicator; absent: by device and ranks"),
                  field("timeout",
                        STRATA_FIELD_INT,
                        "seconds a collective may take",
                        "1800",
                        "[1, inf)"),
                  field(
                      "port", STRATA_FIELD_INT, "of the rendezvous under Slurm", "", "[1, 65535]"),
              }),
          field("stop_timeout_s",
                STRATA_FIELD_INT,
                "seconds that --nproc's ranks have to save and end after SIGTERM or SIGINT",
                "60",
                "[1, inf)"),
          field("resource_limit", STRATA_FIELD_INT, "open files", "4096", "[1, inf)"),
      });
}

FieldSpec load_cfg() {
  return table(
      "load_cfg",
      "how what is stored meets the run",
      {
          field("verify",
                STRATA_FIELD_BOOL,
                "a checkpoint's bytes are compared with their checksums before anything is built",
                "true"),
          field("strict",
                STRATA_FIELD_BOOL,
                "weights missing, unexpected or of another shape are an error",
                "false"),
          any("revise_keys",
              "pairs [pattern, replacement] that stored names go through in turn; absent: "
              "[[\"^module\\\\.\", \"\"]]",
              "list"),
      });
}

FieldSpec randomness() {
  return table(
      "randomness",
      "seeds",
      {
          field("seed", STRATA_FIELD_INT, "absent: drawn by rank 0", "", "[0, inf)"),
          field("diff_rank_seed",
                STRATA_FIELD_BOOL,
                "accepted: ranks draw dropout apart always, and share what must be shared",
                "false"),
          field("deterministic", STRATA_FIELD_BOOL, "refuse nondeterministic operators", "false"),
      });
}

std::vector<FieldSpec> run_fields() {
  return {
      field("work_dir", STRATA_FIELD_TEXT, "where a run writes", "\"work_dirs\""),
      field("experiment_name", STRATA_FIELD_TEXT, "absent: the configuration file's name"),
      field("log_level", STRATA_FIELD_TEXT, "of the log", "\"INFO\"", "DEBUG|INFO|WARNING|ERROR"),
      field("device", STRATA_FIELD_TEXT, "where tensors live", "\"cpu\"", "cpu|cuda"),
      field("launcher", STRATA_FIELD_TEXT, "inferred when absent", "", "none|pytorch|slurm|mpi"),
      field("load_from",
            STRATA_FIELD_TEXT,
            "weights only: a checkpoint directory, .safetensors, .pth, an index of Hugging Face"),
      load_cfg(),
      any("resume", "true: from last_checkpoint; a path: from there", "bool|text"),
      field("default_scope", STRATA_FIELD_TEXT, "accepted; of no effect"),
      randomness(),
      env_cfg(),
      table("plugins",
            "third-party plugins",
            {
                field("paths",
                      STRATA_FIELD_TEXT_LIST,
                      "folders searched first, relative to the file that names them"),
                field("trust",
                      STRATA_FIELD_TEXT,
                      "strict: refuse as well what a group may write",
                      "\"normal\"",
                      "normal|strict"),
            }),
      table("debug",
            "slow checks",
            {field("poison_memory",
                   STRATA_FIELD_BOOL,
                   "fill evicted and padding memory with NaN",
                   "false")}),
  };
}

std::vector<FieldSpec> all_fields() {
  std::vector<FieldSpec> fields = {
      required(any("model", "the model", "table")),
      any("strategy", "absent: SingleDeviceStrategy on one rank, DDPStrategy on several", "table"),
      table("train_dataloader", "training data", loader_fields()),
      table("val_dataloader", "validation data", loader_fields()),
      table("test_dataloader", "test data", loader_fields()),
      train_cfg(),
      table(
          "val_cfg", "the validation loop", {field("type", STRATA_FIELD_TEXT, "", "", "ValLoop")}),
      table("test_cfg", "the test loop", {field("type", STRATA_FIELD_TEXT, "", "", "TestLoop")}),
      any("val_evaluator", "a metric or a list of them", "table|list"),
      any("test_evaluator", "a metric or a list of them", "table|list"),
      any("optim_wrapper", "optimizer, accumulation, clipping; type absent: OptimWrapper", "table"),
      any("param_scheduler", "a scheduler or a list of them", "table|list"),
      table("auto_scale_lr",
            "learning rate by global batch size",
            {
                field("enable", STRATA_FIELD_BOOL, "", "false"),
                field("base_batch_size",
                      STRATA_FIELD_INT,
                      "the batch size the learning rate is for",
                      "",
                      "[1, inf)"),
            }),
      table("activation_checkpointing",
            "blocks whose forward runs again in backward instead of being kept",
            {
                required(field(
                    "type", STRATA_FIELD_TEXT, "every block, or every n-th", "", "full|every_n")),
                field("n", STRATA_FIELD_INT, "of every_n", "", "[1, inf)"),
            }),
      any("default_hooks", "changes to the default hooks; false switches one off", "table"),
      any("custom_hooks", "a list of hooks", "list"),
      any("log_processor", "window_size, by_epoch, custom_cfg, …", "table"),
  };
  for (FieldSpec& f : run_fields()) {
    fields.push_back(std::move(f));
  }
  return fields;
}

}  // namespace

const config::Schema& root_schema() {
  static const config::Schema schema{"the configuration", all_fields()};
  return schema;
}

}  // namespace strata::train
