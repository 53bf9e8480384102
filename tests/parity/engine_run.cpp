// Thread ranks over train::Session and train::Engine.
#include "engine_run.hpp"

#include <filesystem>
#include <fstream>
#include <memory>
#include <numeric>
#include <optional>
#include <thread>
#include <unistd.h>

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/sub.h>
#include <gtest/gtest.h>

#include "comm/store.hpp"
#include "config/load.hpp"
#include "host/services.hpp"
#include "plugin/search.hpp"
#include "train/checkpoints.hpp"
#include "train/weights.hpp"

namespace strata::test {
namespace {

namespace fs = std::filesystem;

std::string toml_of(const EngineRun& run, const std::string& dir) {
  return "work_dir = \"" + dir + "/work\"\nlog_level = \"ERROR\"\n" + "model = { " + run.model +
         ", dtype = \"" + run.dtype + "\" }\n" + "strategy = " +
         (run.strategy.front() == '{' ? run.strategy : "{ type = \"" + run.strategy + "\" }") +
         "\n" + "env_cfg = { dist_cfg = { backend = \"" + run.backend + "\" } }\n" + run.more +
         "randomness = { seed = 3 }\ntrain_cfg = { by_epoch = false, max_iters = 1000 }\n" +
         "plugins = { paths = [\"" STRATA_PLUGIN_DIR "\", \"" STRATA_BINARY_DIR
         "/tests/plugins\"] }\n" +
         "train_dataloader = { dataset = { type = \"Digits\" }, sampler = { type = "
         "\"DefaultSampler\" } }\n" +
         "debug = { poison_memory = " + (run.poison ? "true" : "false") +
         " }\n[optim_wrapper]\ntype = \"" + run.wrapper_type +
         "\"\naccumulative_counts = " + std::to_string(run.accumulation) +
         "\noptimizer = " + run.optimizer + "\n" + run.wrapper;
}

// Element k of all inputs: the high bits of a multiplicative hash, exact in every format and language.
double number(int64_t k) {
  return static_cast<double>(static_cast<uint32_t>(k * 2654435761ULL) >> 8U) / 16777216.0 - 0.5;
}

unit::Fields micro_batches(const EngineRun& run, int64_t first, at::ScalarType dtype) {
  const int64_t rows = run.joined * run.samples;
  std::vector<int64_t> shape = run.shape;
  shape.insert(shape.begin(), rows);
  const at::Tensor img = at::empty(shape, at::TensorOptions().dtype(at::kDouble));
  const int64_t features = img.numel() / rows;
  at::Tensor label = at::empty({rows}, at::TensorOptions().dtype(at::kLong));
  for (int64_t i = 0; i < rows; ++i) {
    const int64_t row = first * run.samples + i;
    for (int64_t j = 0; j < features; ++j) {
      img.mutable_data_ptr<double>()[i * features + j] = number(row * features + j);
    }
    label.mutable_data_ptr<int64_t>()[i] = (row * 7 + row / 3) % 5;
  }
  return {{"img", img.to(dtype)}, {"label", label}};
}

// The whole weights, on all ranks: strategies that spread them bring them together for a scope.
template <class Visit>
void for_each_whole(train::Engine& engine, bool writeback, const Visit& visit) {
  std::vector<int32_t> units(engine.model().units().size());
  std::iota(units.begin(), units.end(), 0);
  engine.strategy().call(
      &strata_strategy_api::scope_enter, units.data(), units.size(), writeback ? 1 : 0);
  for (const unit::Param& p : engine.model().params()) {
    visit(p.name, p.tensor.detach());
  }
  engine.strategy().call(
      &strata_strategy_api::scope_exit, units.data(), units.size(), writeback ? 1 : 0);
}

void keep_update(train::Engine& engine, int rank, EngineResult& result) {
  std::map<std::string, at::Tensor> now = whole_weights(engine);
  if (rank != 0) {
    return;
  }
  std::map<std::string, at::Tensor> update;
  for (const auto& [name, weight] : now) {
    const auto before = result.weights.find(name);
    update[name] = before == result.weights.end() ? weight : at::sub(weight, before->second);
  }
  result.weights = std::move(now);
  result.updates.push_back(std::move(update));
}

void train(train::Session& session,
           train::Engine& engine,
           const EngineRun& run,
           int rank,
           EngineResult& result) {
  const at::ScalarType dtype = run.dtype == "float64" ? at::kDouble : at::kFloat;
  int64_t iter = static_cast<int64_t>(run.first_step) * run.accumulation;
  engine.begin(iter, 0);
  int64_t sent = session.world().bytes_sent();
  for (int step = run.first_step; step < run.steps; ++step) {
    for (int micro = 0; micro < run.accumulation; ++micro) {
      const int64_t slot = rank * run.accumulation + micro;
      const int64_t per_step = static_cast<int64_t>(run.world) * run.accumulation * run.joined;
      const int64_t first = step * per_step + slot * run.joined;
      auto batch = run.batches ? run.batches(first, run.joined) : micro_batches(run, first, dtype);
      const train::IterReport report = engine.stepper().train(std::move(batch), iter++, step);
      result.losses[static_cast<size_t>(step)][static_cast<size_t>(slot)] =
          report.values.at(0).second;
    }
    if (rank == 0) {
      result.bytes_sent.push_back(session.world().bytes_sent() - sent);
    }
    if (run.keep_updates) {
      keep_update(engine, rank, result);
    }
    if (run.after_step) {
      run.after_step(session, engine, step);
    }
    sent = session.world().bytes_sent();
  }
}

void run_rank(const EngineRun& run,
              const std::string& file,
              int rank,
              const std::shared_ptr<comm::Store>& store,
              EngineResult& result) {
  at::set_num_threads(1);  // of this thread: an operator's own threads must not decide bits
  config::Value root = config::load(file, {});
  train::write_defaults(root, run.world);
  const train::RunConfig parsed = train::parse_run_config(root, "parity");
  const plugin::Paths paths(parsed.plugin_paths.begin(), parsed.plugin_paths.end());
  const registry::Registry registry(plugin::scan(plugin::search_paths(paths)), host::services());
  comm::LaunchInfo launch;
  launch.rank = launch.local_rank = rank;
  launch.world_size = launch.local_world_size = run.world;
  train::Session session({root, parsed, registry, launch, store, /*same_process=*/true});
  try {
    train::EngineObjects objects =
        train::make_engine_objects(train::Factory{registry, &session.runtime()}, parsed);
    std::optional<train::Weights> weights;
    if (!run.resume.empty()) {
      weights.emplace(run.resume);
    } else if (run.stored) {
      weights.emplace(run.stored(rank), train::WeightRules{});
    }
    train::Engine engine(session,
                         std::move(objects),
                         {run.samples, 0, 0, 1000},
                         true,
                         weights ? &*weights : nullptr);
    if (!run.resume.empty()) {
      train::restore_state(session, engine, run.resume);
    }
    engine.model().set_training(true);
    if (run.values) {
      for_each_whole(engine, true, run.values);
    }
    if (run.initially) {
      run.initially(session, engine);
    }
    if (run.keep_updates) {
      keep_update(engine, rank, result);
      if (rank == 0) {
        result.updates.clear();
      }
    }
    train(session, engine, run, rank, result);
    if (run.finally) {
      run.finally(session, engine);
    }
    std::map<std::string, at::Tensor> whole = whole_weights(engine);
    if (rank == 0) {
      result.weights = std::move(whole);
    }
  } catch (const std::exception& e) {
    session.world().abort(text("rank ", rank, ": ", e.what()));
    throw;
  }
}

fs::path make_folder() {
  static int count = 0;
  fs::path dir = fs::temp_directory_path() /
                 ("strata_parity_" + std::to_string(getpid()) + "_" + std::to_string(count++));
  fs::create_directories(dir);
  return dir;
}

}  // namespace

std::map<std::string, at::Tensor> whole_weights(train::Engine& engine) {
  std::map<std::string, at::Tensor> weights;
  for_each_whole(engine, false, [&](const std::string& name, const at::Tensor& value) {
    weights[name] = value.clone();
  });
  return weights;
}

unit::Fields token_batches(
    int64_t first, int64_t count, int64_t rows, int64_t tokens, int64_t vocabulary) {
  const at::Tensor ids = at::empty({count * rows, tokens}, at::TensorOptions().dtype(at::kLong));
  const at::Tensor labels = at::empty_like(ids);
  for (int64_t row = 0; row < count * rows; ++row) {
    for (int64_t t = 0; t < tokens; ++t) {
      const int64_t at_text = (first * rows + row) * tokens + t;
      const auto id = [&](int64_t k) {
        return static_cast<int64_t>((number(k) + 0.5) * static_cast<double>(vocabulary));
      };
      ids.mutable_data_ptr<int64_t>()[row * tokens + t] = id(at_text);
      labels.mutable_data_ptr<int64_t>()[row * tokens + t] = id(at_text + 1);
    }
  }
  return {{"input_ids", ids}, {"labels", labels}};
}

EngineResult run_engine(const EngineRun& run) {
  const fs::path dir = make_folder();
  const std::string file = (dir / "run.toml").string();
  std::ofstream(file) << toml_of(run, dir.string());
  EngineResult result;
  result.losses.assign(static_cast<size_t>(run.steps),
                       std::vector<double>(static_cast<size_t>(run.world * run.accumulation)));
  const auto store = std::make_shared<comm::LocalStore>();
  const auto body = [&](int rank) {
    try {
      run_rank(run, file, rank, store, result);
    } catch (const std::exception& e) {
      if (run.on_error) {
        return run.on_error(rank, e);
      }
      ADD_FAILURE() << run.strategy << ", rank " << rank << " of " << run.world << ": " << e.what();
    }
  };
  std::vector<std::thread> ranks;
  ranks.reserve(static_cast<size_t>(run.world));
  for (int rank = 0; rank < run.world; ++rank) {
    ranks.emplace_back(body, rank);
  }
  for (std::thread& rank : ranks) {
    rank.join();
  }
  fs::remove_all(dir);
  return result;
}

}  // namespace strata::test
