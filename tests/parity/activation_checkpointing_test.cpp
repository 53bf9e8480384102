// Activation checkpointing changes no bit: whole engines with and without it, on one rank with dropout
// and under strategies on two.
#include <string>

#include <ATen/ops/equal.h>
#include <gtest/gtest.h>

#include "engine_run.hpp"

namespace strata::test {
namespace {

constexpr const char* kFull = "activation_checkpointing = { type = \"full\" }\n";
constexpr const char* kEverySecond = "activation_checkpointing = { type = \"every_n\", n = 2 }\n";

EngineRun gpt2(double dropout) {
  EngineRun run;
  const std::string p = std::to_string(dropout);
  run.model =
      "type = \"GPT2\", vocab_size = 50, n_positions = 16, n_layer = 3, n_head = 2, "
      "n_embd = 16, embd_pdrop = " +
      p + ", resid_pdrop = " + p + ", attn_pdrop = " + p;
  run.steps = 5;
  run.batches = [](int64_t first, int64_t count) {
    return token_batches(first, count, /*rows=*/2, /*tokens=*/12, /*vocabulary=*/50);
  };
  return run;
}

void expect_same_bits(EngineRun run, const char* checkpointing) {
  const EngineResult plain = run_engine(run);
  run.more = checkpointing;
  const EngineResult recomputed = run_engine(run);

  EXPECT_EQ(recomputed.losses, plain.losses);
  ASSERT_EQ(recomputed.weights.size(), plain.weights.size());
  for (const auto& [name, weight] : plain.weights) {
    EXPECT_TRUE(at::equal(weight, recomputed.weights.at(name))) << name;
  }
  EXPECT_NE(plain.losses.front(), plain.losses.back());
}

TEST(ActivationCheckpointing, RepeatsDropoutToTheBit) {
  expect_same_bits(gpt2(0.2), kFull);
}

TEST(ActivationCheckpointing, OfEverySecondBlockRepeatsDropoutToTheBit) {
  expect_same_bits(gpt2(0.2), kEverySecond);
}

TEST(ActivationCheckpointing, OverAccumulatedMicroBatchesKeepsTheBits) {
  EngineRun run = gpt2(0.2);
  run.accumulation = 3;
  expect_same_bits(run, kFull);
}

TEST(ActivationCheckpointing, UnderAutocastKeepsTheBits) {
  EngineRun run = gpt2(0.2);
  run.wrapper_type = "AmpOptimWrapper";
  run.wrapper = "dtype = \"bfloat16\"\n";
  expect_same_bits(run, kFull);
}

class OnTwoRanks : public testing::TestWithParam<std::string> {};

TEST_P(OnTwoRanks, KeepsTheBits) {
  EngineRun run = gpt2(0);  // threads share one generator
  run.world = 2;
  run.strategy = GetParam();
  expect_same_bits(run, kFull);
  expect_same_bits(run, kEverySecond);
}

std::string fsdp(const char* policy) {
  return std::string("{ type = \"FSDPStrategy\", model_wrapper = { auto_wrap_policy = ") + policy +
         " } }";
}

// Of the last two, one shards every unit, the other the transformer as a whole: its blocks, of 3280
// parameters each, are too small for a unit of their own.
INSTANTIATE_TEST_SUITE_P(
    ActivationCheckpointing,
    OnTwoRanks,
    testing::Values("DDPStrategy",
                    "FlatStrategy",
                    "{ type = \"DeepSpeedStrategy\", zero_optimization = { stage = 3 } }",
                    "FSDPStrategy",
                    fsdp("\"always_wrap_policy\""),
                    fsdp("{ type = \"size_based_auto_wrap_policy\", min_num_params = 4000 }")));

}  // namespace
}  // namespace strata::test
