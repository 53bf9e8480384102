// Checkpoints of a run.
#include "train/checkpoints.hpp"

#include <chrono>
#include <cstring>
#include <set>
#include <tuple>

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_strided.h>
#include <nlohmann/json.hpp>

#include "strata/cpp/error.hpp"

#include "border/sinks.hpp"
#include "checkpoint/checkpoint_dir.hpp"
#include "checkpoint/checkpoint_reader.hpp"
#include "checkpoint/last_checkpoint.hpp"
#include "config/diff.hpp"
#include "config/dump.hpp"
#include "config/parse.hpp"
#include "train/own_tensors.hpp"
#include "train/saved_tensors.hpp"
#include "train/share_failure.hpp"
#include "train/weights.hpp"
#include "unit/memory.hpp"

namespace strata::train {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kFormat = "strata-state/1";

StartPoint existing(const std::string& path, const config::Value& key, bool resume) {
  if (!fs::exists(path)) {
    throw config_error(
        key.where(), key.path(), " = \"", path, "\": there is no such file or folder");
  }
  if (resume && !fs::is_directory(path)) {
    throw config_error(
        key.where(),
        key.path(),
        " = \"",
        path,
        "\" is a file; resume needs a checkpoint folder (use load_from for weights alone)");
  }
  return {fs::absolute(path).lexically_normal(), resume};
}

json state_of(const fs::path& checkpoint) {
  json state = json::parse(checkpoint::read_state(checkpoint), nullptr, /*allow_exceptions=*/false);
  if (!state.is_object() || state.value("format", "") != kFormat) {
    throw Error(STRATA_E_FAILED,
                text((checkpoint / "state.json").string(),
                     " is not the state of a checkpoint of this version (",
                     kFormat,
                     ")"));
  }
  return state;
}

fs::path folder_of(const Session& session, const std::string& out_dir) {
  return out_dir.empty() ? session.work_dir() : fs::path(out_dir);
}

std::string state_name(const optim::StateSlice& slice) {
  return text(slice.param, ".", slice.state);
}

std::string text_of(const Engine& engine,
                    strata_rc (*strata_strategy_api::*slot)(void*, const strata_text_sink*)) {
  border::TextSink sink;
  engine.strategy().call(slot, sink.c());
  return sink.str();
}

json counters_of(const SaveState& save) {
  const Counters& c = save.counters;
  return {{"epoch", c.epochs},
          {"iter", c.iters},
          {"step", c.steps},
          {"epoch_length", c.epoch_length},
          {"batch", c.batch},
          {"samples", c.samples}};
}

json state_json(Session& session,
                Engine& engine,
                const SaveState& save,
                const SavedTensors& tensors) {
  border::TextSink wrapper;
  engine.wrapper().call(&strata_optim_wrapper_api::save, wrapper.c());
  json steps = json::object();
  const std::vector<unit::Param>& params = engine.model().params();
  for (size_t i = 0; i < params.size(); ++i) {
    if (params[i].group >= 0) {
      steps[params[i].name] = tensors.steps(static_cast<int32_t>(i));
    }
  }
  json state = {
      {"format", kFormat},
      {"strata", "0.1.0"},
      {"meta", counters_of(save)},
      {"seed", session.seed()},
      {"time", session.timestamp()},
      {"experiment_name", session.experiment()},
      {"world_size", session.world().size()},
      {"config", config::dump(*session.run().root)},
      {"message_hub", session.hub().save()},
      {"hooks", save.hooks},
      {"strategy", text_of(engine, &strata_strategy_api::save)},
      {"optim_wrapper", wrapper.str()},
      {"optimizer_steps", std::move(steps)},
  };
  if (save.request.save_param_scheduler) {
    state["param_schedulers"] = engine.schedulers()->save();
  }
  return state;
}

// The stored state of a parameter in the order of its memory, as views cut it.
at::Tensor in_memory_order(const checkpoint::CheckpointReader& stored,
                           size_t place,
                           const at::Tensor& param,
                           int32_t dtype) {
  const auto options = at::TensorOptions().dtype(unit::scalar_type(dtype));
  const at::Tensor plain = at::empty(param.sizes(), options);
  stored.read(place, 0, plain.numel(), plain.mutable_data_ptr());
  at::Tensor out = at::empty_strided(param.sizes(), param.strides(), options);
  out.copy_(plain);
  return out;
}

// Reads of the files only what this rank holds, at the latest with `reads`. False when it may be missing, and is.
bool load_state(const checkpoint::CheckpointReader& stored,
                const optim::StateSlice& slice,
                const at::Tensor& param,
                checkpoint::Reads& reads) {
  const auto place = stored.find(state_name(slice));
  const checkpoint::StoredTensor* info = place ? &stored.tensors()[*place] : nullptr;
  if (info == nullptr && slice.optional) {
    return false;
  }
  if (info == nullptr || info->dtype != slice.dtype || info->shape != param.sizes()) {
    throw run_error("optimizer state \"",
                    state_name(slice),
                    "\" of ",
                    stored.path().string(),
                    info == nullptr ? " is missing" : " has another shape or type",
                    "; the optimizer or the model changed, so use load_from instead of resume");
  }
  if (param.is_contiguous()) {
    stored.read(*place, slice.param_offset, slice.count, slice.data, reads);
    return true;
  }
  const at::Tensor whole = in_memory_order(stored, *place, param, slice.dtype);
  const auto element = whole.element_size();
  std::memcpy(slice.data,
              static_cast<const std::byte*>(whole.const_data_ptr()) + slice.param_offset * element,
              static_cast<size_t>(slice.count * element));
  return true;
}

void load_optimizer(Session& session,
                    Engine& engine,
                    const checkpoint::CheckpointReader& stored,
                    const json& steps) {
  std::set<std::string> missing;
  checkpoint::Reads reads;
  engine.updater()->for_each_state([&](const optim::StateSlice& slice) {
    if (!load_state(stored, slice, engine.model().param(slice.id).tensor, reads)) {
      missing.emplace(slice.state);
    }
  });
  reads.run();
  for (const std::string& state : missing) {
    session.log().warn("{} has no state \"{}\" for some parameters: a hook begins it anew.",
                       stored.path().string(),
                       state);
  }
  for (const auto& [name, count] : steps.items()) {
    engine.updater()->set_steps(name, count.get<int64_t>());
  }
}

bool has_optimizer(const checkpoint::CheckpointReader& stored) {
  for (size_t i = 0; i < stored.tensors().size(); ++i) {
    if (stored.kind(i) == checkpoint::Kind::kRank) {
      return true;
    }
  }
  return false;
}

void require_optimizer(const checkpoint::CheckpointReader& stored) {
  if (!has_optimizer(stored)) {
    throw Error(
        STRATA_E_NOT_FOUND,
        text("the checkpoint ",
             stored.path().string(),
             " was saved without the optimizer's state, so it can be loaded (load_from) but "
             "not resumed"));
  }
}

Counters counters_from(const json& meta) {
  const auto number = [&](const char* key) { return meta.at(key).get<int64_t>(); };
  return {number("epoch"),
          number("iter"),
          number("step"),
          number("epoch_length"),
          number("batch"),
          number("samples")};
}

}  // namespace

StartPoint find_start(const RunConfig& run) {
  const config::Value& root = *run.root;
  if (run.resume.has_value()) {
    if (!run.resume->empty()) {
      return existing(*run.resume, root.at("resume"), true);
    }
    if (!run.load_from.empty()) {
      return existing(run.load_from, root.at("load_from"), true);
    }
    const auto last = checkpoint::find_last(fs::absolute(run.work_dir).lexically_normal());
    return last.has_value() ? StartPoint{*last, true} : StartPoint{};
  }
  return run.load_from.empty() ? StartPoint{}
                               : existing(run.load_from, root.at("load_from"), false);
}

std::optional<int64_t> resumed_seed(const RunConfig& run) {
  const StartPoint start = find_start(run);
  if (!start.resume) {
    return std::nullopt;
  }
  return state_of(start.path).at("seed").get<int64_t>();
}

void check_start_point(const StartPoint& start, bool trains, bool bytes, int part, int share) {
  if (!checkpoint::is_checkpoint(start.path)) {
    if (start.resume && trains) {
      std::ignore = checkpoint::read_index(start.path);  // says what is missing
    }
    const Weights readable(start.path);
    return;
  }
  const bool resumes = start.resume && trains;
  using Reader = checkpoint::CheckpointReader;
  const Reader reader(start.path, resumes ? Reader::Take::kAll : Reader::Take::kWeights);
  if (resumes) {
    require_optimizer(reader);
    std::ignore = state_of(start.path);
  }
  if (bytes) {
    reader.verify(part, share);
  }
}

void start_checkpoint(Session& session,
                      Engine& engine,
                      CheckpointWriter& writer,
                      const SaveState& save) {
  writer.wait();  // two copies at a time would be one too many
  WriteTask task;
  task.begun = std::chrono::steady_clock::now();
  SavedTensors tensors(session, engine);
  task.dir = folder_of(session, save.request.out_dir) / save.request.name;
  task.update_last = save.request.update_last;
  on_rank_zero(session, [&] { task.state = state_json(session, engine, save, tensors).dump(1); });
  task.tensors = tensors.lay_out(save.request.save_optimizer, writer.memory());
  writer.start(std::move(task));
  try {
    tensors.copy(writer.memory());
  } catch (...) {
    writer.memory().end(/*complete=*/false);
    throw;
  }
  writer.copied();
}

void rewrite_state(const Session& session, const StateUpdate& update) {
  const fs::path dir = folder_of(session, update.out_dir) / update.name;
  json state = state_of(dir);
  state.erase("checksum");
  state["message_hub"] = update.hub;
  state["hooks"] = update.hooks;
  checkpoint::rewrite_state(dir, state.dump(1));
}

void delete_checkpoint(const Session& session,
                       const std::string& out_dir,
                       const std::string& name) {
  checkpoint::remove_checkpoint(folder_of(session, out_dir) / name);
}

Restored restore_state(Session& session, Engine& engine, const fs::path& path) {
  const json state = state_of(path);
  const checkpoint::CheckpointReader stored(path);
  require_optimizer(stored);
  load_optimizer(session, engine, stored, state.at("optimizer_steps"));
  const bool same_schedules =
      state.contains("param_schedulers") &&
      engine.schedulers()->load(state.at("param_schedulers").get<std::string>());
  const auto wrapper = state.at("optim_wrapper").get<std::string>();
  engine.wrapper().call(&strata_optim_wrapper_api::load, border::view(std::string_view(wrapper)));
  const auto strategy = state.at("strategy").get<std::string>();
  engine.strategy().call(&strata_strategy_api::load, border::view(std::string_view(strategy)));
  session.hub().load(state.at("message_hub").get<std::string>());
  restore_own_tensors(session, engine, stored);
  return {counters_from(state.at("meta")),
          state.at("hooks").get<std::string>(),
          stored.world_size(),
          config::diff(config::parse_toml(state.at("config").get<std::string>(), "the checkpoint"),
                       *session.run().root),
          same_schedules};
}

}  // namespace strata::train
