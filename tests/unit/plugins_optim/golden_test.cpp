// Updates against those of torch's fused CPU kernels, bit by bit.
#include <cstring>
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "optim_host.hpp"

namespace strata::test {
namespace {

/// Bit patterns of the elements, as bytes in memory.
using Bytes = std::vector<char>;

struct Golden {
  std::string name;
  std::string type;
  int32_t dtype = STRATA_F32;
  std::string toml;
  Bytes init;
  std::vector<Bytes> grads;
  std::vector<Bytes> values;
};

// The configs hold numbers, booleans and lists of numbers, which TOML writes as JSON does.
std::string toml_of(const std::string& json) {
  std::string out;
  const auto config = nlohmann::json::parse(json);
  for (const auto& [key, value] : config.items()) {
    out += key + " = " + value.dump() + "\n";
  }
  return out;
}

Bytes read_bits(std::istream& line, int32_t dtype) {
  const size_t width = dtype == STRATA_F32 ? 4 : 8;
  Bytes out;
  for (std::string word; line >> word;) {
    const uint64_t bits = std::stoull(word, nullptr, 16);
    const size_t at = out.size();
    out.resize(at + width);
    std::memcpy(out.data() + at, &bits, width);  // little-endian, as x86-64 and AArch64 are
  }
  return out;
}

std::vector<Golden> read_golden() {
  std::ifstream file(std::string(STRATA_SOURCE_DIR) + "/tests/golden/optim/updates.txt");
  std::vector<Golden> out;
  for (std::string text; std::getline(file, text);) {
    std::istringstream line(text);
    std::string word;
    line >> word;
    if (word == "case") {
      Golden& g = out.emplace_back();
      line >> g.name >> g.type >> word;
      g.dtype = word == "f32" ? STRATA_F32 : STRATA_F64;
      std::string json;
      std::getline(line, json);
      g.toml = toml_of(json);
    } else if (word == "init") {
      out.back().init = read_bits(line, out.back().dtype);
    } else if (word == "grad") {
      out.back().grads.push_back(read_bits(line, out.back().dtype));
    } else if (word == "value") {
      out.back().values.push_back(read_bits(line, out.back().dtype));
    }
  }
  return out;
}

class TorchUpdates : public testing::TestWithParam<Golden> {};

TEST_P(TorchUpdates, AreReproducedToTheBit) {
  const Golden& golden = GetParam();
  OptimPlugin plugin(golden.type == "SGD" ? "optimizer_sgd" : "optimizer_adam");
  const auto optimizer = plugin.create<strata_optimizer_api>(golden.type, golden.toml);
  strata_optimizer_caps caps{};
  caps.h = STRATA_HDR(strata_optimizer_caps);
  optimizer.call(&strata_optimizer_api::describe, &caps);
  std::vector<double> hypers;
  hypers.reserve(caps.n_hypers);
  for (uint64_t i = 0; i < caps.n_hypers; ++i) {
    hypers.push_back(caps.hypers[i].value);
  }
  Bytes value = golden.init;
  std::vector<Bytes> states(caps.n_states, Bytes(value.size()));
  strata_optim_chunk chunk{};
  chunk.value = value.data();
  chunk.count = static_cast<int64_t>(value.size() / (golden.dtype == STRATA_F32 ? 4 : 8));
  chunk.value_dtype = chunk.grad_dtype = chunk.state_dtype = golden.dtype;
  for (size_t i = 0; i < states.size(); ++i) {
    chunk.state[i] = states[i].data();
  }

  for (size_t step = 0; step < golden.grads.size(); ++step) {
    chunk.grad = golden.grads[step].data();
    chunk.step = static_cast<int64_t>(step) + 1;
    const strata_optim_step_args args = {
        STRATA_HDR(strata_optim_step_args), &chunk, 1, hypers.data(), hypers.size(), 1.0, nullptr};
    optimizer.call(&strata_optimizer_api::step, &args);

    EXPECT_EQ(value, golden.values[step]) << "step " << step + 1;
  }
}

INSTANTIATE_TEST_SUITE_P(Golden,
                         TorchUpdates,
                         testing::ValuesIn(read_golden()),
                         [](const auto& test) { return test.param.name; });

TEST(GoldenUpdates, AreAllThere) {
  EXPECT_EQ(read_golden().size(), 11U);
}

}  // namespace
}  // namespace strata::test
