// Checkpoints of a run.
#include "train/checkpoints.hpp"

#include <cstring>
#include <fstream>

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_strided.h>
#include <nlohmann/json.hpp>

#include "strata/cpp/error.hpp"

#include "border/sinks.hpp"
#include "checkpoint/dtype.hpp"
#include "checkpoint/last_checkpoint.hpp"
#include "checkpoint/safetensors.hpp"
#include "config/dump.hpp"
#include "train/saved_tensors.hpp"
#include "unit/memory.hpp"

namespace strata::train {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kFormat = "strata-checkpoint/0";

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

json read_state(const fs::path& checkpoint, checkpoint::Need need) {
  const checkpoint::CheckpointPaths paths = checkpoint::open_checkpoint(checkpoint, need);
  std::ifstream in(paths.state);
  json state = json::parse(in, nullptr, /*allow_exceptions=*/false);
  if (!state.is_object() || state.value("format", "") != kFormat) {
    throw Error(STRATA_E_IO,
                text(paths.state.string(),
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
  return {{"epoch", save.counters.epochs},
          {"iter", save.counters.iters},
          {"step", save.counters.steps}};
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
at::Tensor in_memory_order(std::span<const std::byte> stored,
                           const at::Tensor& param,
                           int32_t dtype) {
  const auto options = at::TensorOptions().dtype(unit::scalar_type(dtype));
  const at::Tensor plain = at::empty(param.sizes(), options);
  std::memcpy(plain.mutable_data_ptr(), stored.data(), stored.size());
  at::Tensor out = at::empty_strided(param.sizes(), param.strides(), options);
  out.copy_(plain);
  return out;
}

// Reads of the file only what this rank holds.
void load_state(const checkpoint::SafetensorsFile& stored,
                const optim::StateSlice& slice,
                const at::Tensor& param) {
  const checkpoint::TensorInfo* info = stored.find(state_name(slice));
  if (info == nullptr || info->dtype != slice.dtype || info->shape != param.sizes()) {
    throw run_error("optimizer state \"",
                    state_name(slice),
                    "\" of ",
                    stored.path().string(),
                    info == nullptr ? " is missing" : " has another shape or type",
                    "; the optimizer or the model changed, so use load_from instead of resume");
  }
  const uint64_t element = checkpoint::dtype_bytes(slice.dtype);
  const auto* data = stored.data(*info).data();
  at::Tensor permuted;
  if (!param.is_contiguous()) {
    permuted = in_memory_order(stored.data(*info), param, slice.dtype);
    data = static_cast<const std::byte*>(permuted.const_data_ptr());
  }
  std::memcpy(slice.data,
              data + static_cast<uint64_t>(slice.param_offset) * element,
              static_cast<uint64_t>(slice.count) * element);
}

void load_optimizer(Engine& engine, const fs::path& file, const json& steps) {
  const checkpoint::SafetensorsFile stored(file);
  engine.updater()->for_each_state([&](const optim::StateSlice& slice) {
    load_state(stored, slice, engine.model().param(slice.id).tensor);
  });
  for (const auto& [name, count] : steps.items()) {
    engine.updater()->set_steps(name, count.get<int64_t>());
  }
}

// Rank 0's failure is everybody's, with its cause: they stay in step, and whoever asked decides what it means. Another
// kind of failure than an Error, or of communication, leaves through the end of the run, which ends the others too.
template <class Body>
void share_failure(Session& session, const Body& body) {
  std::optional<Error> failure;
  try {
    body();
  } catch (const Error& e) {
    if (e.code() == STRATA_E_COMM || !session.world().is_main()) {
      throw;
    }
    failure = e;
  }
  json told = json::array();
  if (failure.has_value()) {
    told = {failure->code(), failure->message(), failure->where()};
  }
  const json heard = json::parse(
      session.world().broadcast_text(told.dump(-1, ' ', false, json::error_handler_t::replace)));
  if (failure.has_value()) {
    throw Error(*failure);
  }
  if (!heard.empty()) {
    throw Error(heard[0].get<strata_rc>(),
                "rank 0: " + heard[1].get<std::string>(),
                heard[2].get<std::string>());
  }
}

template <class Body>
void on_rank_zero(Session& session, const Body& body) {
  share_failure(session, [&] {
    if (session.world().is_main()) {
      body();
    }
  });
}

// Rank 0 writes, the others give what they hold, in the same order.
void write_files(Session& session,
                 SavedTensors& tensors,
                 const fs::path& dir,
                 const checkpoint::CheckpointContent& content) {
  try {
    if (session.world().is_main()) {
      checkpoint::save_checkpoint(dir, content);
    } else {
      SavedTensors::follow(content.model);
      if (content.optimizer.has_value()) {
        SavedTensors::follow(*content.optimizer);
      }
    }
  } catch (const Error& e) {
    if (!tensors.in_step()) {
      throw Error(
          STRATA_E_COMM, e.message(), e.where());  // the others cannot be told: the run ends
    }
    tensors.finish();
    throw;
  }
  tensors.finish();
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
  return read_state(start.path, checkpoint::Need::kWeights).at("seed").get<int64_t>();
}

void write_checkpoint(Session& session, Engine& engine, const SaveState& save) {
  SavedTensors tensors(session, engine);
  checkpoint::CheckpointContent content;
  content.model = tensors.model();
  if (save.request.save_optimizer) {
    content.optimizer = tensors.optimizer();
  }
  content.metadata = {{"format", "pt"}};
  const fs::path dir = folder_of(session, save.request.out_dir) / save.request.name;
  on_rank_zero(session,
               [&] { content.state = state_json(session, engine, save, tensors).dump(1); });
  share_failure(session, [&] { write_files(session, tensors, dir, content); });
  on_rank_zero(session, [&] {
    if (save.request.update_last) {
      checkpoint::write_last(session.work_dir(), dir);
    }
  });
}

void rewrite_state(Session& session, const SaveState& save) {
  on_rank_zero(session, [&] {
    const fs::path dir = folder_of(session, save.request.out_dir) / save.request.name;
    json state = read_state(dir, checkpoint::Need::kWeights);
    state["message_hub"] = session.hub().save();
    state["hooks"] = save.hooks;
    checkpoint::rewrite_state(dir, state.dump(1));
  });
}

void delete_checkpoint(Session& session, const std::string& out_dir, const std::string& name) {
  on_rank_zero(session, [&] { checkpoint::remove_checkpoint(folder_of(session, out_dir) / name); });
}

Restored restore_state(Session& session, Engine& engine, const fs::path& path) {
  const json state = read_state(path, checkpoint::Need::kAll);
  load_optimizer(engine,
                 checkpoint::open_checkpoint(path, checkpoint::Need::kAll).optimizer,
                 state.at("optimizer_steps"));
  if (state.contains("param_schedulers")) {
    engine.schedulers()->load(state.at("param_schedulers").get<std::string>());
  }
  const auto wrapper = state.at("optim_wrapper").get<std::string>();
  engine.wrapper().call(&strata_optim_wrapper_api::load, border::view(std::string_view(wrapper)));
  const auto strategy = state.at("strategy").get<std::string>();
  engine.strategy().call(&strata_strategy_api::load, border::view(std::string_view(strategy)));
  session.hub().load(state.at("message_hub").get<std::string>());
  const json& meta = state.at("meta");
  return {{meta.at("epoch").get<int64_t>(),
           meta.at("iter").get<int64_t>(),
           meta.at("step").get<int64_t>()},
          state.at("hooks").get<std::string>()};
}

}  // namespace strata::train
