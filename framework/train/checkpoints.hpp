// Saving a run and going on from it: which checkpoint, what is in it, how it comes back.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "checkpoint/checkpoint_dir.hpp"
#include "hooks/run_control.hpp"
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

/// Counters of a run: epochs, iterations and updates that are complete.
struct Counters {
  int64_t epochs = 0;
  int64_t iters = 0;
  int64_t steps = 0;
};

struct SaveState {
  hooks::SaveRequest request;
  Counters counters;
  std::string hooks;  // HookBus::save()
};

/// Writes a checkpoint, the same bytes whatever the strategy: rank 0 writes, the others give what they hold; all return
/// when it is there. Collective.
/// Errors: STRATA_E_IO, of rank 0 on every rank, as for the two below; those of SavedTensors.
void write_checkpoint(Session& session, Engine& engine, const SaveState& save);
/// Replaces what such a checkpoint says about hooks and the hub. Rank 0 writes. Collective.
void rewrite_state(Session& session, const SaveState& save);
void delete_checkpoint(Session& session, const std::string& out_dir, const std::string& name);

/// Brings back everything but weights, which came through unit::ValueSource. Returns the counters and the hooks' part.
struct Restored {
  Counters counters;
  std::string hooks;
};

Restored restore_state(Session& session, Engine& engine, const std::filesystem::path& checkpoint);

}  // namespace strata::train
