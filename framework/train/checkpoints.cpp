// Checkpoints of a run.
#include "train/checkpoints.hpp"

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "border/sinks.hpp"
#include "checkpoint/dtype.hpp"
#include "checkpoint/last_checkpoint.hpp"
#include "checkpoint/safetensors.hpp"
#include "config/dump.hpp"
#include "strata/cpp/error.hpp"
#include "unit/memory.hpp"

namespace strata::train {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kFormat = "strata-checkpoint/0";

StartPoint existing(const std::string& path, const config::Value& key, bool resume) {
  if (!fs::exists(path)) {
    throw config_error(key.where(), key.path(), " = \"", path, "\": there is no such file or folder");
  }
  if (resume && !fs::is_directory(path)) {
    throw config_error(key.where(), key.path(), " = \"", path,
                       "\" is a file; resume needs a checkpoint folder (use load_from for weights alone)");
  }
  return {fs::absolute(path).lexically_normal(), resume};
}

json read_state(const fs::path& checkpoint, checkpoint::Need need) {
  const checkpoint::CheckpointPaths paths = checkpoint::open_checkpoint(checkpoint, need);
  std::ifstream in(paths.state);
  json state = json::parse(in, nullptr, /*allow_exceptions=*/false);
  if (!state.is_object() || state.value("format", "") != kFormat) {
    throw Error(STRATA_E_IO, text(paths.state.string(), " is not the state of a checkpoint of this version (", kFormat,
                                  ")"));
  }
  return state;
}

fs::path folder_of(const Session& session, const std::string& out_dir) {
  return out_dir.empty() ? session.work_dir() : fs::path(out_dir);
}

void refuse_sharded(const Engine& engine) {
  strata_strategy_caps caps{};
  caps.h = STRATA_HDR(strata_strategy_caps);
  engine.strategy().call(&strata_strategy_api::describe, &caps);
  if (caps.owns_storage != 0) {
    throw Error(STRATA_E_UNSUPPORTED,
                text("checkpoints of ", engine.strategy().type(), ", whose parameters are spread over ranks, cannot be "
                     "written by this version; set default_hooks.checkpoint = false"));
  }
}

checkpoint::TensorSource source_of(const std::string& name, const at::Tensor& tensor) {
  const at::Tensor dense = tensor.detach().contiguous();
  checkpoint::TensorSource source{name, unit::dtype_of(dense.scalar_type()), dense.sizes().vec(), nullptr, {}};
  const auto bytes = static_cast<size_t>(dense.numel()) * dense.element_size();
  source.fill = [dense, bytes](const checkpoint::Put& put) {
    put({static_cast<const std::byte*>(dense.const_data_ptr()), bytes});
  };
  return source;
}

std::vector<checkpoint::TensorSource> model_tensors(unit::Model& model) {
  std::vector<checkpoint::TensorSource> out;
  for (const unit::Param& p : model.params()) {
    out.push_back(source_of(p.name, p.tensor));
  }
  for (const unit::NamedBuffer& b : model.buffers()) {
    if (b.persistent) {
      out.push_back(source_of(b.name, b.tensor));
    }
  }
  return out;
}

std::string state_name(const optim::StateSlice& slice) { return text(slice.param, ".", slice.state); }

std::vector<checkpoint::TensorSource> optimizer_tensors(Engine& engine) {
  std::map<std::string, std::vector<int64_t>, std::less<>> shapes;
  for (const unit::Param& p : engine.model().params()) {
    shapes.emplace(p.name, p.tensor.sizes().vec());
  }
  std::vector<checkpoint::TensorSource> out;
  engine.updater()->for_each_state([&](const optim::StateSlice& slice) {
    out.push_back({state_name(slice), slice.dtype, shapes.find(slice.param)->second, slice.data, {}});
  });
  return out;
}

std::string text_of(const Engine& engine, strata_rc (*strata_strategy_api::*slot)(void*, const strata_text_sink*)) {
  border::TextSink sink;
  engine.strategy().call(slot, sink.c());
  return sink.str();
}

json counters_of(const SaveState& save) {
  return {{"epoch", save.counters.epochs}, {"iter", save.counters.iters}, {"step", save.counters.steps}};
}

json state_json(Session& session, Engine& engine, const SaveState& save) {
  border::TextSink wrapper;
  engine.wrapper().call(&strata_optim_wrapper_api::save, wrapper.c());
  json steps = json::object();
  for (const unit::Param& p : engine.model().params()) {
    if (p.group >= 0) {
      steps[p.name] = engine.updater()->steps(p.name);
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

void load_optimizer(Engine& engine, const fs::path& file, const json& steps) {
  const checkpoint::SafetensorsFile stored(file);
  engine.updater()->for_each_state([&](const optim::StateSlice& slice) {
    const checkpoint::TensorInfo* info = stored.find(state_name(slice));
    const uint64_t bytes_here = static_cast<uint64_t>(slice.count) * checkpoint::dtype_bytes(slice.dtype);
    if (info == nullptr || info->dtype != slice.dtype || info->bytes() != bytes_here) {
      throw run_error("optimizer state \"", state_name(slice), "\" of ", file.string(),
                      info == nullptr ? " is missing" : " has another size or type",
                      "; the optimizer or the model changed, so use load_from instead of resume");
    }
    const auto bytes = stored.data(*info);
    std::copy(bytes.begin(), bytes.end(), static_cast<std::byte*>(slice.data));
  });
  for (const auto& [name, count] : steps.items()) {
    engine.updater()->set_steps(name, count.get<int64_t>());
  }
}

// Rank 0 writes; its failure must end the others too, which wait in the agreement.
template <class Body>
void on_rank_zero(Session& session, const Body& body) {
  if (session.world().is_main()) {
    body();
  }
  session.world().barrier();
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
  return run.load_from.empty() ? StartPoint{} : existing(run.load_from, root.at("load_from"), false);
}

std::optional<int64_t> resumed_seed(const RunConfig& run) {
  const StartPoint start = find_start(run);
  if (!start.resume) {
    return std::nullopt;
  }
  return read_state(start.path, checkpoint::Need::kWeights).at("seed").get<int64_t>();
}

void write_checkpoint(Session& session, Engine& engine, const SaveState& save) {
  refuse_sharded(engine);
  on_rank_zero(session, [&] {
    checkpoint::CheckpointContent content;
    content.model = model_tensors(engine.model());
    if (save.request.save_optimizer) {
      content.optimizer = optimizer_tensors(engine);
    }
    content.state = state_json(session, engine, save).dump(1);
    content.metadata = {{"format", "pt"}};
    const fs::path dir = folder_of(session, save.request.out_dir) / save.request.name;
    checkpoint::save_checkpoint(dir, content);
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
  load_optimizer(engine, checkpoint::open_checkpoint(path, checkpoint::Need::kAll).optimizer,
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
  return {{meta.at("epoch").get<int64_t>(), meta.at("iter").get<int64_t>(), meta.at("step").get<int64_t>()},
          state.at("hooks").get<std::string>()};
}

}  // namespace strata::train
