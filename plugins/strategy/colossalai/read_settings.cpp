// Which plugin, and what stands beside it.
#include "read_settings.hpp"

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "strata/kit/nearest.hpp"

#include "table.hpp"

namespace strata::colossalai {
namespace {

constexpr std::array<std::string_view, 2> kNames = {"gemini", "lowlevel-zero"};
constexpr std::array<std::string_view, 2> kTypes = {"GeminiPlugin", "LowLevelZeroPlugin"};

struct Elsewhere {
  std::string_view plugin;
  std::string_view instead;
};

constexpr std::array<Elsewhere, 4> kElsewhere = {{
    {"TorchDDPPlugin", "write strategy.type = \"DDPStrategy\""},
    {"TorchFSDPPlugin", "write strategy.type = \"FSDPStrategy\""},
    {"HybridParallelPlugin",
     "tensor, sequence and pipeline parallelism are not there; its ZeRO is LowLevelZeroPlugin"},
    {"MoeHybridParallelPlugin",
     "expert parallelism is not there; data parallelism with ZeRO is LowLevelZeroPlugin"},
}};

[[noreturn]] void refuse_plugin(const std::string& where,
                                const std::string& name,
                                std::span<const std::string_view> known) {
  for (const Elsewhere& e : kElsewhere) {
    if (e.plugin == name) {
      throw config_error(
          where, "plugin \"", name, "\" is not one of ColossalAIStrategy: ", e.instead);
    }
  }
  const std::string hint = kit::did_you_mean(name, known);
  throw config_error(where,
                     "plugin \"",
                     name,
                     "\" is unknown",
                     hint.empty() ? "; it is \"gemini\", \"lowlevel-zero\" or a table of type "
                                    "\"GeminiPlugin\" or \"LowLevelZeroPlugin\""
                                  : hint);
}

GeminiConfig default_gemini() {
  GeminiConfig out;
  out.precision = STRATA_BF16;
  out.auto_placement = true;
  return out;
}

void read_plugin(const Node& node, Settings& out) {
  if (!node) {
    out.plugin = default_gemini();
    out.where = "strategy (ColossalAIStrategy)";
    return;
  }
  out.where = node.where();
  if (node.is_text()) {
    const std::string name = node.as_text();
    if (name == "gemini") {
      out.plugin = default_gemini();
    } else if (name == "lowlevel-zero") {
      out.plugin = read_low_level_zero(Node());
    } else {
      refuse_plugin(node.where(), name, kNames);
    }
    return;
  }
  if (!node.is_table()) {
    throw config_error(node.where(), "plugin must be a name or a table with a type");
  }
  const Node type = node.find("type");
  if (!type) {
    throw config_error(node.where(),
                       R"(plugin needs a type: "GeminiPlugin" or "LowLevelZeroPlugin")");
  }
  out.written = true;
  const std::string name = type.as_text();
  if (name == "GeminiPlugin") {
    out.plugin = read_gemini(node);
  } else if (name == "LowLevelZeroPlugin") {
    out.plugin = read_low_level_zero(node);
  } else {
    refuse_plugin(type.where(), name, kTypes);
  }
}

// --- precision --------------------------------------------------------------------------------------------------------

struct Precision {
  std::string_view name;
  std::string_view type;  // of the table's
  int32_t dtype;          // 0: not there
};

constexpr std::array<Precision, 5> kPrecisions = {
    {{"fp16", "FP16TorchMixedPrecision", STRATA_F16},
     {"fp16_apex", "FP16ApexMixedPrecision", STRATA_F16},
     {"fp16_naive", "FP16NaiveMixedPrecision", STRATA_F16},
     {"bf16", "BF16MixedPrecision", STRATA_BF16},
     {"fp8", "FP8MixedPrecision", 0}}};

std::string_view name_of(int32_t dtype) {
  return dtype == STRATA_F16 ? "fp16" : dtype == STRATA_BF16 ? "bf16" : "fp32";
}

const Precision& precision_of(const Node& said) {
  const std::string given = said.as_text();
  for (const Precision& p : kPrecisions) {
    if (given == p.name || given == p.type) {
      return p;
    }
  }
  throw config_error(
      said.where(), "mixed_precision \"", given, R"(" is unknown; it is "fp16" or "bf16")");
}

void only_a_type(const Node& table) {
  for (uint64_t i = 0; i < table.size(); ++i) {
    const auto [key, value] = table.entry(i);
    if (key != "type") {
      throw config_error(value.where(),
                         "mixed_precision.",
                         key,
                         ": the loss scale is the plugin's; write initial_scale, growth_factor, "
                         "backoff_factor or growth_interval in it");
    }
  }
}

// The plugin decides. What says the same is harmless; what says otherwise would be ignored by the original, and is not
// what its author expects.
void check_mixed_precision(const Node& node,
                           const Settings& settings,
                           std::vector<std::string>& notes) {
  if (!node) {
    return;
  }
  if (node.is_table()) {
    only_a_type(node);
  }
  const Node said = node.is_table() ? node.find("type") : node;
  if (!said) {
    throw config_error(node.where(), R"(mixed_precision needs a type, or is "fp16" or "bf16")");
  }
  const Precision& asked = precision_of(said);
  if (asked.dtype == 0) {
    throw config_error(said.where(),
                       "mixed_precision = \"fp8\" is not supported: there is no fp8 arithmetic");
  }
  const int32_t has = settings.common().precision;
  if (asked.dtype != has) {
    throw config_error(said.where(),
                       "mixed_precision says ",
                       name_of(asked.dtype),
                       ", the plugin computes in ",
                       name_of(has),
                       " and decides; write precision = \"",
                       name_of(asked.dtype),
                       "\" in a plugin table, or leave mixed_precision out");
  }
  notes.push_back(text(said.where(),
                       ": mixed_precision has no effect: the plugin's precision, ",
                       name_of(has),
                       ", decides"));
}

// --- the rest ---------------------------------------------------------------------------------------------------------

void check_model_wrapper(const Node& node) {
  std::vector<std::string> notes;
  Table table(node, "model_wrapper", notes);
  // The second is how MMEngine has spelt it.
  table.choice(
      "type", "ColossalAIModelWrapper", {"ColossalAIModelWrapper", "CollosalAIModelWrapper"});
  table.finish();
}

}  // namespace

void check_world(const Settings& settings, int32_t world) {
  const Common& c = settings.common();
  if (world % c.extra_dp_size != 0) {
    throw config_error(c.extra_dp_where,
                       "plugin.extra_dp_size = ",
                       c.extra_dp_size,
                       " does not divide ",
                       world,
                       " rank(s)");
  }
}

Settings read_settings(const StrategyConfig& table) {
  Settings out;
  read_plugin(table.plugin, out);
  std::vector<std::string> notes;
  check_mixed_precision(table.mixed_precision, out, notes);
  check_model_wrapper(table.model_wrapper);
  if (table.config) {
    table.config.mark_read();
    notes.push_back(text(table.config.where(),
                         ": config has no effect: its only reader was a launcher that is gone"));
  }
  std::visit([&notes](Common& c) { c.notes.insert(c.notes.end(), notes.begin(), notes.end()); },
             out.plugin);
  return out;
}

}  // namespace strata::colossalai
