// From a model and a configuration to chunks.
#include "chunk_plan.hpp"

#include <algorithm>
#include <cmath>

#include "chunk_search.hpp"

namespace strata::colossalai {
namespace {

int64_t elements(double mega) {
  return std::max<int64_t>(1, std::llround(mega * 1048576));
}

void cut(const ModelView& model,
         const GeminiConfig& config,
         int32_t ranks,
         const std::vector<int32_t>& alike,
         ChunkPlan& plan) {
  std::vector<int64_t> sizes;
  sizes.reserve(alike.size());
  for (const int32_t id : alike) {
    sizes.push_back(model.params()[static_cast<size_t>(id)].numel);
  }
  const auto given = config.chunk_config_dict.find(ranks);
  const ChunkSearch search = {
      elements(config.min_chunk_size_m), elements(config.search_range_m), config.hidden_dim};
  const int64_t size = given != config.chunk_config_dict.end() ? given->second.chunk_size
                                                               : search_chunk_size(sizes, search);
  plan.keep_gathered = given != config.chunk_config_dict.end() && given->second.keep_gathered;
  plan.chunk_size = std::max(plan.chunk_size, size);
  const strata_param_desc& first = model.params()[static_cast<size_t>(alike.front())];
  for (const std::vector<size_t>& members : cut_into_chunks(sizes, size)) {
    PlannedChunk chunk{{}, value_dtype(config, first), master_dtype(config, first), {}};
    for (const size_t i : members) {
      chunk.params.push_back(alike[i]);
    }
    plan.chunks.push_back(std::move(chunk));
  }
}

// Parameters by dtype, trainable ones apart; nearly always one list.
std::vector<std::vector<int32_t>> alike(const ModelView& model, bool trainable) {
  std::vector<std::vector<int32_t>> out;
  for (size_t i = 0; i < model.params().size(); ++i) {
    const strata_param_desc& p = model.params()[i];
    if (is_trainable(p) != trainable) {
      continue;
    }
    const auto same = std::ranges::find_if(out, [&](const auto& list) {
      return model.params()[static_cast<size_t>(list.front())].dtype == p.dtype;
    });
    (same != out.end() ? *same : out.emplace_back()).push_back(static_cast<int32_t>(i));
  }
  return out;
}

std::vector<Place> places_of(const ChunkPlan& plan, size_t params) {
  std::vector<Place> places(params);
  for (size_t c = 0; c < plan.chunks.size(); ++c) {
    for (size_t slot = 0; slot < plan.chunks[c].params.size(); ++slot) {
      places[static_cast<size_t>(plan.chunks[c].params[slot])] = {static_cast<int32_t>(c), slot};
    }
  }
  return places;
}

void add_once(std::vector<int32_t>& to, int32_t value) {
  if (std::ranges::find(to, value) == to.end()) {
    to.push_back(value);
  }
}

void plan_unit(const ModelView& model,
               const std::vector<Place>& places,
               int32_t id,
               ChunkPlan& plan) {
  const strata_unit_desc& desc = model.units()[static_cast<size_t>(id)];
  PlannedUnit& unit = plan.units[static_cast<size_t>(id)];
  for (uint64_t i = 0; i < desc.n_params; ++i) {
    const Place& place = places[static_cast<size_t>(desc.params[i])];
    if (place.chunk >= 0) {
      unit.own.push_back(place);
      add_once(plan.chunks[static_cast<size_t>(place.chunk)].units, id);
    }
  }
  unit.used = unit.own;
  for (uint64_t i = 0; i < desc.n_borrowed; ++i) {
    const auto param = static_cast<size_t>(desc.borrowed[i]);
    if (places[param].chunk >= 0) {
      unit.used.push_back(places[param]);
      add_once(unit.lenders, model.params()[param].unit);
      add_once(plan.units[static_cast<size_t>(model.params()[param].unit)].borrowers, id);
    }
  }
  for (const Place& place : unit.used) {
    add_once(unit.chunks, place.chunk);
  }
  std::ranges::sort(unit.chunks);
}

}  // namespace

ChunkPlan plan_chunks(const ModelView& model, const GeminiConfig& config, int32_t ranks) {
  ChunkPlan plan;
  for (const std::vector<int32_t>& params : alike(model, /*trainable=*/true)) {
    cut(model, config, ranks, params, plan);
  }
  plan.frozen = alike(model, /*trainable=*/false);
  plan.units.resize(model.units().size());
  const std::vector<Place> places = places_of(plan, model.params().size());
  for (size_t u = 0; u < plan.units.size(); ++u) {
    plan_unit(model, places, static_cast<int32_t>(u), plan);
  }
  return plan;
}

}  // namespace strata::colossalai
