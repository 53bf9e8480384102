// The command line: what was asked for, and the functions that do it.
#pragma once

#include <string>
#include <vector>

#include "train/run_config.hpp"

namespace strata::app {

/// Exit codes beside 0. 128 + n: ended by signal n.
inline constexpr int kFailed = 1;   // failed while running
inline constexpr int kRefused = 2;  // refused before anything was allocated or written

struct RunOptions {
  train::Command command = train::Command::kTrain;
  std::string config;
  std::vector<std::string> overrides;  // --cfg-options
  int nproc = 0;                       // 0: not given
  std::string work_dir;
  std::string load_from;
  bool resume = false;
  std::string resume_path;
  bool dry_run = false;
};

struct EstimateOptions {
  std::string config;
  std::vector<std::string> overrides;
  int world = 1;
  std::string memory_limit;  // empty: none
};

struct ConvertOptions {
  std::string in;
  std::string out;
  std::string format;  // safetensors, pth or hf; empty: by the name of `out`
  std::string dtype;   // fp32, fp16 or bf16; empty: tensors stay as they are
  std::string max_shard_size = "5GB";
  bool force = false;  // replace what is there
};

/// Parses the arguments and runs the command. Returns the exit code; prints errors itself.
int run_cli(int argc, char** argv);

/// train, val and test.
int run_command(const RunOptions& options);

// What only looks. All print to stdout and throw their errors.
void config_show(const std::string& file, const std::vector<std::string>& overrides);
void config_check(const std::string& file, const std::vector<std::string>& overrides);
void config_explain(const std::string& type);
void plugin_list();
void plugin_inspect(const std::string& file);
void print_env();
/// Also refuses a configured strategy above the limit.
void estimate(const EstimateOptions& options);

/// Names, shapes and sizes of a checkpoint's tensors or of a weights file's; reads none of their bytes.
void checkpoint_inspect(const std::string& path, bool as_json);

/// Compares a checkpoint with all its checksums, other weights with their own headers. Returns the exit code: kFailed, with
/// the file and tensor on stderr, for what is damaged.
int checkpoint_verify(const std::string& path);

/// Writes the weights of `in` as another kind of file, aside first. Returns the exit code; throws what it refuses before it
/// writes.
int checkpoint_convert(const ConvertOptions& options);

/// What a configuration that is only looked at is for: the first command that it has a loop for.
train::Command command_for(const config::Value& root);

/// Writes the files' bytes as tokens, 256 between two texts, to a file for TokenDataset; links are followed, a file named
/// twice is taken once. dtype: uint16 or uint32. Returns the exit code; throws what it refuses before it writes.
int data_tokenize(const std::vector<std::string>& files,
                  const std::string& out,
                  const std::string& dtype);

/// The configuration with defaults written in, for a world of that many ranks.
config::Value load_config(const RunOptions& options, int world_size);

/// "error: …" with place and message, on stderr.
void print_error(const std::exception& error);

}  // namespace strata::app
