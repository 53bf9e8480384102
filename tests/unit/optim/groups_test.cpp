// paramwise_cfg: which rule wins, which groups come out; the table of hyper-parameters.
#include "optim/groups.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/parse.hpp"

namespace strata::optim {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const std::vector<Hyper> kHypers = {{"lr", 1.0, STRATA_HYPER_LR},
                                    {"weight_decay", 0.1, STRATA_HYPER_DECAY},
                                    {"momentum", 0.9, STRATA_HYPER_MOMENTUM}};

ParamGroups groups(const std::vector<ParamInfo>& params,
                   const std::string& toml,
                   const std::vector<Hyper>& hypers = kHypers) {
  const config::Value paramwise = config::parse_toml(toml, "test.toml");
  return make_groups(params, &paramwise, hypers);
}

/// lr and weight_decay of a single parameter.
std::pair<double, double> of(const ParamInfo& param, const std::string& toml) {
  const ParamGroups out = groups({param}, toml);
  return {out.groups[0][0], out.groups[0][1]};
}

std::string refusal(const std::string& toml, const std::vector<Hyper>& hypers = kHypers) {
  try {
    groups({}, toml, hypers);
  } catch (const Error& e) {
    return e.what();
  }
  return {};
}

ParamInfo param(std::string name,
                std::string module = "Linear",
                std::vector<int64_t> shape = {4, 4}) {
  return {std::move(name), std::move(shape), true, std::move(module), 1, 0};
}

const ParamInfo kNormWeight = param("bn.weight", "BatchNorm2d", {4});
const ParamInfo kNormBias = param("bn.bias", "SyncBatchNorm", {4});
const ParamInfo kBias = param("fc.bias", "Linear", {4});
const ParamInfo kWeight = param("fc.weight");
const ParamInfo kDepthwise = {"dw.weight", {8, 1, 3, 3}, true, "Conv2d", 8, 8};
const ParamInfo kDepthwiseBias = {"dw.bias", {8}, true, "Conv2d", 8, 8};
const ParamInfo kScale = param("gamma", "Block", {4});
const ParamInfo kOffsetBias = param("dcn.conv_offset.bias", "Conv2d", {18});

TEST(ParamGroups, WithoutRulesAllTrainableParametersAreOneGroup) {
  ParamInfo frozen = kBias;
  frozen.trainable = false;

  const ParamGroups out = make_groups(std::vector{kWeight, frozen, kNormBias}, nullptr, kHypers);

  EXPECT_THAT(out.group_of, ElementsAre(0, -1, 0));
  EXPECT_THAT(out.groups, ElementsAre(ElementsAre(1.0, 0.1, 0.9)));
  EXPECT_THAT(out.log, IsEmpty());
}

TEST(ParamGroups, EqualGroupsAreOne) {
  const ParamGroups out =
      groups({kWeight, kNormWeight, kNormBias, kBias}, "norm_decay_mult = 0\nbias_decay_mult = 0");

  EXPECT_THAT(out.group_of, ElementsAre(0, 1, 1, 1));
}

TEST(ParamGroups, OptionsAreLoggedAsMmengineDoes) {
  const ParamGroups out = groups({kBias}, "bias_lr_mult = 2\nbias_decay_mult = 0");

  EXPECT_THAT(out.log,
              ElementsAre("paramwise_options -- fc.bias:lr=2",
                          "paramwise_options -- fc.bias:weight_decay=0"));
}

TEST(ParamwiseRules, BiasRateDoesNotApplyToNormsAndDeformableConvolutions) {
  const std::string rules = "bias_lr_mult = 2";

  EXPECT_EQ(of(kBias, rules).first, 2);
  EXPECT_EQ(of(kNormBias, rules).first, 1);
  EXPECT_EQ(of(kOffsetBias, rules).first, 1);
  EXPECT_EQ(of(kWeight, rules).first, 1);
}

TEST(ParamwiseRules, BiasDecayAppliesToNormsUnlessTheyHaveTheirOwn) {
  EXPECT_DOUBLE_EQ(of(kNormBias, "bias_decay_mult = 0.5").second, 0.05);
  EXPECT_DOUBLE_EQ(of(kNormBias, "bias_decay_mult = 0.5\nnorm_decay_mult = 0.25").second, 0.025);
}

TEST(ParamwiseRules, DecayPrefersBiasToDepthwiseToFlat) {
  const std::string rules = "bias_decay_mult = 2\ndwconv_decay_mult = 3\nflat_decay_mult = 4";

  EXPECT_DOUBLE_EQ(of(kDepthwiseBias, rules).second, 0.2);
  EXPECT_DOUBLE_EQ(of(kDepthwise, rules).second, 0.3);
  EXPECT_DOUBLE_EQ(of(kScale, rules).second, 0.4);
  EXPECT_DOUBLE_EQ(of(kWeight, rules).second, 0.1);
}

TEST(ParamwiseRules, OffsetsOfDeformableConvolutionsHaveARateOfTheirOwn) {
  EXPECT_DOUBLE_EQ(of(kOffsetBias, "bias_lr_mult = 2\ndcn_offset_lr_mult = 0.1").first, 0.1);
}

TEST(CustomKeys, TheLongestWinsAndSwitchesTheOtherRulesOff) {
  const std::string rules = R"(
bias_lr_mult = 7
bias_decay_mult = 7
[custom_keys]
fc = {lr_mult = 2}
"fc.b" = {lr_mult = 3}
)";

  EXPECT_EQ(of(kBias, rules), std::pair(3.0, 0.1));
  EXPECT_EQ(of(kWeight, rules), std::pair(2.0, 0.1));
}

TEST(CustomKeys, OfEqualLengthTheAlphabeticallyFirstWins) {
  EXPECT_EQ(of(kBias, "[custom_keys]\nias = {lr_mult = 3}\nbia = {lr_mult = 2}").first, 2);
}

TEST(CustomKeys, MaySetAnyHyperParameter) {
  const ParamGroups out =
      groups({kBias}, "[custom_keys]\nfc = {momentum = 0.5, weight_decay = 0.3, decay_mult = 9}");

  EXPECT_THAT(out.groups[0], ElementsAre(1.0, 0.3, 0.5));
}

TEST(ParamwiseConfig, UnknownKeysAreErrorsThatNameTheNearest) {
  EXPECT_THAT(refusal("norm_decay = 0"), HasSubstr("norm_decay_mult"));
  EXPECT_THAT(refusal("\n[custom_keys]\nfc = {lr_mul = 2}"), HasSubstr("test.toml:3"));
  EXPECT_EQ(refusal("bypass_duplicate = true"), "");
}

TEST(ParamwiseConfig, DecayRulesWantAnOptimizerThatDecays) {
  const std::vector<Hyper> without = {{"lr", 1.0, STRATA_HYPER_LR}};

  EXPECT_THAT(refusal("flat_decay_mult = 0", without), HasSubstr("flat_decay_mult"));
  EXPECT_THAT(refusal("[custom_keys]\nfc = {decay_mult = 0}", without), HasSubstr("decay_mult"));
}

TEST(HyperTables, FindTheMomentumOfAdamByItsFlag) {
  const HyperTable table({{"lr", 1, STRATA_HYPER_LR}, {"beta1", 0.9, STRATA_HYPER_MOMENTUM}},
                         {{1, 0.9}});

  EXPECT_EQ(table.value("momentum"), 0.9);
  EXPECT_EQ(table.value("beta1"), 0.9);
  EXPECT_EQ(table.value("beta2"), std::nullopt);
  EXPECT_EQ(table.value("lr", 1), std::nullopt);
}

TEST(HyperTables, HaveABaseLrOnlyWithSeveralGroups) {
  const HyperTable one(kHypers, {{3, 0.1, 0.9}});
  const HyperTable two(kHypers, {{3, 0.1, 0.9}, {5, 0, 0.9}});

  EXPECT_EQ(one.base_lr(), std::nullopt);
  EXPECT_EQ(two.base_lr(), 1);
  EXPECT_EQ(two.groups(), 2);
  EXPECT_EQ(two.rows(), 3);
}

TEST(HyperTables, AutoScalingReachesEveryGroupAndComesBeforeSchedulers) {
  HyperTable table(kHypers, {{3, 0.1, 0.9}, {5, 0, 0.9}});

  table.scale_lr(auto_scale_factor(4, 32, 64));

  EXPECT_EQ(table.value("lr", 0), 6);
  EXPECT_EQ(table.value("lr", 1), 10);
  EXPECT_EQ(table.base_lr(), 2);
  EXPECT_EQ(table.initial(0, 0), 6);
  table.freeze_initial();
  EXPECT_THROW(table.scale_lr(2), Error);
  EXPECT_THROW(auto_scale_factor(1, 32, 0), Error);
}

}  // namespace
}  // namespace strata::optim
