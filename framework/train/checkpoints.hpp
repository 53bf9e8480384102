// Saving a run and going on from it: which checkpoint, what is in it, how it comes back.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "hooks/run_control.hpp"
#include "train/checkpoint_writer.hpp"
#include "train/engine.hpp"
#include "train/run_config.hpp"
#include "train/session.hpp"

namespace strata::train {

/// What a run starts from.
struct StartPoint {
  std::filesystem::path
      path;  // empty: from scratch; a checkpoint folder, or a .safetensors file of weights
  bool resume = false;  // with optimizer, schedulers and counters
};

/// By MMEngine's rules for `resume` and `load_from`. `resume = true` without a last_checkpoint starts from scratch.
/// Errors: STRATA_E_CONFIG naming the key whose path does not exist or is no checkpoint.
StartPoint find_start(const RunConfig& run);

/// The seed of the run that a resumed run goes on with. Nothing without resume.
std::optional<int64_t> resumed_seed(const RunConfig& run);

/// Refuses a start point that is damaged: its structure, and with `bytes` the part-th of share parts of them by their
/// checksums. trains: whether optimizer state is needed as well. Errors: of CheckpointReader and Weights.
void check_start_point(const StartPoint& start, bool trains, bool bytes, int part, int share);

/// Counters of a run: epochs, iterations and updates that are complete, and how far into the data that is.
struct Counters {
  int64_t epochs = 0;
  int64_t iters = 0;
  int64_t steps = 0;
  int64_t epoch_length = 0;  // iterations
  int64_t batch = 0;         // samples of an iteration, of all ranks
  int64_t samples = 0;       // seen since the start
};

struct SaveState {
  hooks::SaveRequest request;
  Counters counters;
  std::string hooks;  // HookBus::save()
};

/// Begins to write a checkpoint with the values as of now. Every rank writes a part; the tensors in it do not depend on
/// the strategy. Collective. Errors: of CheckpointWriter::start() and SavedTensors.
void start_checkpoint(Session& session,
                      Engine& engine,
                      CheckpointWriter& writer,
                      const SaveState& save);

/// What a checkpoint says about hooks and the hub, as of now.
struct StateUpdate {
  std::string out_dir;
  std::string name;
  std::string hub;
  std::string hooks;
};

/// Both for rank 0 alone. [any] Errors: STRATA_E_IO; of read_state().
void rewrite_state(const Session& session, const StateUpdate& update);
void delete_checkpoint(const Session& session, const std::string& out_dir, const std::string& name);

/// Brings back everything but weights, which came through unit::ValueSource. Returns the counters and the hooks' part.
struct Restored {
  Counters counters;
  std::string hooks;
  int64_t world_size = 0;            // that saved it
  std::vector<std::string> changes;  // of the configuration since, as config::diff() says it
  bool same_schedules = true;        // else Schedulers::recompute() has to be called
};

/// Errors: STRATA_E_FAILED naming the state that is missing or has another shape.
Restored restore_state(Session& session, Engine& engine, const std::filesystem::path& checkpoint);

}  // namespace strata::train
