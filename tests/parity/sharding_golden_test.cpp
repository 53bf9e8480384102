// FSDPStrategy and DeepSpeedStrategy against what PyTorch's FSDP2 and DeepSpeed's ZeRO-3 computed.
// tests/golden/gpt2/generate.py made the files, and says where weights and tokens come from.
#include <fstream>
#include <numeric>
#include <sstream>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "engine_run.hpp"

namespace strata::test {
namespace {

constexpr int kSteps = 20;
constexpr int64_t kTokens = 32;

uint32_t bits(uint32_t k) {
  uint32_t x = k * 2654435761U;
  x ^= x >> 15U;
  return (x * 2654435761U) >> 8U;
}

double number(uint32_t k) {
  return bits(k) / 16777216.0 - 0.5;
}

const std::vector<std::string>& names() {
  static const std::vector<std::string> all = [] {
    std::vector<std::string> out = {"transformer.wte.weight", "transformer.wpe.weight"};
    for (const char* block : {"0", "1", "2", "3"}) {
      for (const char* leaf : {"ln_1.weight",
                               "ln_1.bias",
                               "attn.c_attn.weight",
                               "attn.c_attn.bias",
                               "attn.c_proj.weight",
                               "attn.c_proj.bias",
                               "ln_2.weight",
                               "ln_2.bias",
                               "mlp.c_fc.weight",
                               "mlp.c_fc.bias",
                               "mlp.c_proj.weight",
                               "mlp.c_proj.bias"}) {
        out.push_back(std::string("transformer.h.") + block + "." + leaf);
      }
    }
    out.insert(out.end(), {"transformer.ln_f.weight", "transformer.ln_f.bias"});
    return out;
  }();
  return all;
}

void write_value(const std::string& name, const at::Tensor& out) {
  const auto p =
      static_cast<uint32_t>(std::find(names().begin(), names().end(), name) - names().begin());
  ASSERT_LT(p, names().size()) << name;
  const bool norm = name.find("ln_") != std::string::npos && name.ends_with(".weight");
  const at::Tensor values = at::empty(out.sizes(), at::kFloat);
  for (int64_t k = 0; k < values.numel(); ++k) {
    const double n = number((p << 20U) + static_cast<uint32_t>(k)) / 8;
    values.mutable_data_ptr<float>()[k] = static_cast<float>(norm ? 1 + n : n);
  }
  out.copy_(values);
}

int64_t token(uint32_t row, uint32_t place) {
  const uint64_t b = bits((1U << 28U) + 64 * row + place);
  return static_cast<int64_t>(((b * b >> 24U) * 401) >> 24U);
}

// Micro-batch m is rank m mod 2 of step m / 2.
unit::Fields batches(int64_t first, int64_t) {
  const at::Tensor ids = at::empty({2, kTokens}, at::kLong);
  const at::Tensor labels = at::empty({2, kTokens}, at::kLong);
  for (int64_t i = 0; i < 2; ++i) {
    const auto row = static_cast<uint32_t>((2 * first + i) % 16);
    for (uint32_t t = 0; t < kTokens; ++t) {
      ids.mutable_data_ptr<int64_t>()[i * kTokens + t] = token(row, t);
      labels.mutable_data_ptr<int64_t>()[i * kTokens + t] = token(row, t + 1);
    }
  }
  return {{"input_ids", ids}, {"labels", labels}};
}

std::vector<double> golden(const std::string& file) {
  std::ifstream in(STRATA_SOURCE_DIR "/tests/golden/gpt2/" + file);
  std::vector<double> out;
  for (std::string line; std::getline(in, line);) {
    if (!line.empty() && line.front() != '#') {
      out.push_back(std::stod(line));
    }
  }
  return out;
}

struct Peer {
  const char* file;
  const char* strategy;
};

class Originals : public testing::TestWithParam<Peer> {};

TEST_P(Originals, HaveTheSameLosses) {
  const std::vector<double> theirs = golden(GetParam().file);
  ASSERT_EQ(theirs.size(), kSteps);

  const EngineResult ours = run_engine(
      {.strategy = GetParam().strategy,
       .model =
           R"(type = "GPT2", vocab_size = 401, n_positions = 64, n_layer = 4, n_head = 4, n_embd = 128, embd_pdrop = 0, resid_pdrop = 0, attn_pdrop = 0)",
       .world = 2,
       .steps = kSteps,
       .optimizer = R"({ type = "AdamW", lr = 1e-3, weight_decay = 0.01 })",
       .batches = batches,
       .values = write_value});

  for (size_t step = 0; step < theirs.size(); ++step) {
    const double mean =
        std::accumulate(ours.losses[step].begin(), ours.losses[step].end(), 0.0) / 2;
    EXPECT_NEAR(mean, theirs[step], 1e-5 * theirs[step]) << "step " << step;
  }
}

constexpr const char* kFsdp =
    R"({ type = "FSDPStrategy", model_wrapper = { auto_wrap_policy = { type = "module_wrap_policy", module_classes = ["GPT2Block"] } } })";
constexpr const char* kZero3 =
    R"({ type = "DeepSpeedStrategy", zero_optimization = { stage = 3 } })";

INSTANTIATE_TEST_SUITE_P(Gpt2,
                         Originals,
                         testing::Values(Peer{"losses_fsdp2.txt", kFsdp},
                                         Peer{"losses_zero3.txt", kZero3},
                                         Peer{"losses.txt", kFsdp},
                                         Peer{"losses.txt", "DDPStrategy"}),
                         [](const auto& peer) { return "Case" + std::to_string(peer.index); });

}  // namespace
}  // namespace strata::test
