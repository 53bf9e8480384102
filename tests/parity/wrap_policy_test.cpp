// Which units FSDPStrategy wraps, against torch's size_based_auto_wrap_policy.
// tests/golden/size_policy/generate.py made wraps.txt.
#include "wrap_policy.hpp"

#include <fstream>
#include <map>
#include <sstream>

#include <gtest/gtest.h>

#include "engine_run.hpp"

namespace strata::test {
namespace {

using Wraps = std::map<std::string, int64_t>;  // name ("" for the root) -> elements

// The blocks of wraps.txt, by "MODEL MIN_NUM_PARAMS".
std::map<std::string, Wraps> golden() {
  std::ifstream in(STRATA_SOURCE_DIR "/tests/golden/size_policy/wraps.txt");
  std::map<std::string, Wraps> out;
  Wraps* block = nullptr;
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    std::string kind, name;
    int64_t number = 0;
    words >> kind;
    if (kind == "case") {
      words >> name >> number;
      block = &out[name + " " + std::to_string(number)];
    } else if (kind == "wrap") {
      words >> name >> number;
      (*block)[name] = number;
    } else if (kind == "root") {
      words >> number;
      (*block)[""] = number;
    }
  }
  return out;
}

Wraps wraps_of(const strata_model_desc& desc, int64_t min_num_params) {
  fsdp::WrapperConfig config;
  config.policy.kind = fsdp::WrapPolicy::Kind::kSize;
  config.policy.min_num_params = min_num_params;
  const ModelView model{&desc};
  const std::vector<int32_t> owners = fsdp::wrap_units(model, config);
  Wraps out;
  for (size_t u = 0; u < owners.size(); ++u) {
    if (owners[u] == static_cast<int32_t>(u)) {
      out[std::string(view(model.units()[u].name))] = 0;
    }
  }
  for (const strata_param_desc& p : model.params()) {
    const auto owner = static_cast<size_t>(owners[static_cast<size_t>(p.unit)]);
    out[std::string(view(model.units()[owner].name))] += p.numel;
  }
  return out;
}

// The wraps of a real model, at each size.
std::map<int64_t, Wraps> wraps_of_model(const std::string& model,
                                        const std::vector<int64_t>& sizes) {
  std::map<int64_t, Wraps> out;
  EngineRun run;
  run.model = model;
  run.steps = 0;
  run.finally = [&](train::Session&, train::Engine& engine) {
    for (const int64_t size : sizes) {
      out[size] = wraps_of(engine.model().desc(), size);
    }
  };
  run_engine(run);
  return out;
}

TEST(SizeBasedWrapping, OfResNet50IsTorchs) {
  const auto torchs = golden();

  const auto ours = wraps_of_model(R"(type = "MMResNet50")",
                                   {1'000'000, 2'000'000, 5'000'000, 10'000'000, 20'000'000});

  for (const auto& [size, wraps] : ours) {
    EXPECT_EQ(wraps, torchs.at("resnet50 " + std::to_string(size))) << size;
  }
  EXPECT_EQ(ours.at(10'000'000), (Wraps{{"layer4", 14'964'736}, {"", 10'592'296}}));
}

// A tied head counts in torch in each module that has it; the parameter itself has one owner here.
TEST(SizeBasedWrapping, OfGpt2WrapsTheModulesThatTorchWraps) {
  const auto torchs = golden();

  const auto ours = wraps_of_model(
      R"(type = "GPT2", vocab_size = 401, n_positions = 64, n_layer = 4, n_head = 4, n_embd = 128)",
      {10'000, 100'000, 200'000});

  for (const auto& [size, wraps] : ours) {
    std::vector<std::string> names, expected;
    for (const auto& [name, elements] : wraps) {
      names.push_back(name);
    }
    for (const auto& [name, elements] : torchs.at("gpt2 " + std::to_string(size))) {
      expected.push_back(name);
    }
    EXPECT_EQ(names, expected) << size;
  }
}

// A module tree without tensors: units with a parameter of so many elements each (0: none).
struct Tree {
  struct Node {
    const char* name;
    const char* type;
    int32_t parent;
    int64_t elements;
  };

  explicit Tree(const std::vector<Node>& nodes) {
    ids.reserve(nodes.size());
    for (size_t i = 0; i < nodes.size(); ++i) {
      const Node& n = nodes[i];
      ids.push_back(static_cast<int32_t>(params.size()));
      const uint64_t count = n.elements > 0 ? 1 : 0;
      units.push_back({view(std::string_view(n.name)),
                       view(std::string_view(n.type)),
                       n.parent,
                       0,
                       &ids.back(),
                       count,
                       nullptr,
                       0});
      if (count == 1) {
        strata_param_desc p{};
        p.numel = n.elements;
        p.unit = static_cast<int32_t>(i);
        params.push_back(p);
      }
    }
    desc = {
        STRATA_HDR(strata_model_desc), units.data(), units.size(), params.data(), params.size()};
  }

  std::vector<int32_t> ids;
  std::vector<strata_unit_desc> units;
  std::vector<strata_param_desc> params;
  strata_model_desc desc{};
};

TEST(SizeBasedWrapping, WrapsTheInnerSequenceOfTwoLinearsAndTheRoot) {
  const Tree tree({{"", "Sequential", -1, 0},
                   {"0", "Linear", 0, 30},
                   {"1", "Linear", 0, 30},
                   {"2", "Sequential", 0, 0},
                   {"2.0", "Linear", 3, 30},
                   {"2.1", "Linear", 3, 30}});

  EXPECT_EQ(wraps_of(tree.desc, 40), golden().at("worked_1 40"));
}

TEST(SizeBasedWrapping, WrapsItemsOfAModuleListButNeverTheList) {
  const Tree tree({{"", "ModuleDict", -1, 0},
                   {"list", "ModuleList", 0, 0},
                   {"list.0", "Linear", 1, 30},
                   {"list.1", "Linear", 1, 30},
                   {"list.2", "Linear", 1, 42}});

  EXPECT_EQ(wraps_of(tree.desc, 40), golden().at("worked_2 40"));
}

TEST(SizeBasedWrapping, LeavesAttentionWholeInTheRoot) {
  const Tree tree({{"", "Sequential", -1, 0},
                   {"0", "Linear", 0, 110},
                   {"1", "MultiheadAttention", 0, 330},
                   {"1.out_proj", "Linear", 2, 110}});

  EXPECT_EQ(wraps_of(tree.desc, 40), golden().at("worked_3 40"));
}

}  // namespace
}  // namespace strata::test
