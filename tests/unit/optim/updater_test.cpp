// Updates over views: chunks, untouched parameters, norms, agreement of ranks.
#include <cmath>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "updater_rig.hpp"

namespace strata::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr float kInf = std::numeric_limits<float>::infinity();

TEST(Updater, MergesNeighboursAndNeverTouchesPadding) {
  Rig s;
  s.view.grads()[7] = 100;  // padding

  s.updater().optimizer_step();

  EXPECT_THAT(count_and_step(s.optimizer.steps[0]), ElementsAre(std::pair(7, 1), std::pair(2, 1)));
  EXPECT_EQ(s.view.values()[7], 1);
}

TEST(Updater, CutsWhereTheGroupChangesAndUsesItsHyperParameters) {
  Rig s({0, 1, 1}, {{0.5}, {0.25}});
  for (int i = 0; i < 9; ++i) {
    s.view.grads()[i] = 1;
  }

  s.updater().optimizer_step();

  EXPECT_THAT(count_and_step(s.optimizer.steps[0]),
              ElementsAre(std::pair(4, 1), std::pair(3, 1), std::pair(2, 1)));
  EXPECT_EQ(s.view.values()[0], 0.5F);
  EXPECT_EQ(s.view.values()[4], 0.75F);
}

TEST(Updater, LeavesUntouchedParametersAloneAndCountsTheirStepsApart) {
  Rig s;
  s.rt.untouched[1] = true;
  s.updater().optimizer_step();
  s.rt.untouched[1] = false;
  s.updater().optimizer_step();

  EXPECT_THAT(count_and_step(s.optimizer.steps[0]), ElementsAre(std::pair(4, 1), std::pair(2, 1)));
  EXPECT_THAT(count_and_step(s.optimizer.steps[1]),
              ElementsAre(std::pair(4, 2), std::pair(3, 1), std::pair(2, 2)));
  EXPECT_EQ(s.updater().steps("a"), 2);
  EXPECT_EQ(s.updater().steps("b"), 1);
}

TEST(Updater, LeavesFrozenParametersAlone) {
  Rig s({0, -1, 0});
  s.view.grads()[5] = 1;

  s.updater().optimizer_step();

  EXPECT_THAT(count_and_step(s.optimizer.steps[0]), ElementsAre(std::pair(4, 1), std::pair(2, 1)));
  EXPECT_EQ(s.view.values()[5], 1);
}

TEST(Updater, FollowsBuffersThatMoved) {
  Rig s;
  s.updater().optimizer_step();
  s.view.value.bytes = std::vector<std::byte>(s.view.value.bytes);

  s.updater().optimizer_step();

  EXPECT_EQ(s.optimizer.steps[1][0].value, s.view.values());
}

TEST(Updater, NamesTheParameterWhoseMemoryIsAway) {
  Rig s;
  s.view.value.resident = false;

  EXPECT_THAT(error_of([&] { s.updater().optimizer_step(); }), HasSubstr("begins with a"));
}

TEST(Updater, RefusesViewsThatContradictThemselves) {
  Rig overlapping;
  overlapping.view.view.segments[1].view_offset = 3;
  Rig beyond;
  beyond.view.view.segments[1].count = 5;

  EXPECT_THAT(error_of([&] { overlapping.updater(); }), HasSubstr(" b "));
  EXPECT_THAT(error_of([&] { beyond.updater(); }), HasSubstr(" b "));
}

TEST(Updater, UnscaleMultipliesAndSeesInfinity) {
  Rig s;
  s.view.grads()[0] = 4;

  EXPECT_FALSE(s.updater().unscale(0.25));
  EXPECT_EQ(s.updater().grad_norm(2), 1);
  s.updater().begin_step();
  s.view.grads()[8] = kInf;
  EXPECT_TRUE(s.updater().unscale(1));
  s.updater().begin_step();
  s.view.grads()[8] = std::nanf("");
  EXPECT_TRUE(s.updater().unscale(0.5));
}

TEST(Updater, UnscaleDoesNotLookAtPaddingNorUntouchedGradients) {
  Rig s;
  s.rt.untouched[1] = true;
  s.view.grads()[5] = kInf;
  s.view.grads()[7] = kInf;

  EXPECT_FALSE(s.updater().unscale(0.5));
}

TEST(Updater, AnInfinityOnAnotherRankCounts) {
  Rig s;
  s.rt.world = {2, 1, 0};

  EXPECT_TRUE(s.updater().unscale(1));
  EXPECT_EQ(s.rt.world.reductions, 1);
}

TEST(Updater, NormsOfAllOrders) {
  Rig s;
  s.view.grads()[0] = 3;
  s.view.grads()[8] = -4;
  s.view.grads()[7] = 100;  // padding

  EXPECT_EQ(s.updater().grad_norm(2), 5);
  EXPECT_EQ(s.updater().grad_norm(1), 7);
  EXPECT_EQ(s.updater().grad_norm(std::numeric_limits<double>::infinity()), 4);
  EXPECT_NEAR(s.updater().grad_norm(3), std::cbrt(91.0), 1e-14);
}

TEST(Updater, ANaNMakesEveryNormNaN) {
  Rig s;
  s.view.grads()[1] = std::nanf("");
  s.view.grads()[8] = 4;

  EXPECT_TRUE(std::isnan(s.updater().grad_norm(2)));
  EXPECT_TRUE(std::isnan(s.updater().grad_norm(std::numeric_limits<double>::infinity())));
}

TEST(Updater, ScalesAndClamps) {
  Rig s;
  s.view.grads()[0] = 3;
  s.view.grads()[1] = -4;

  s.updater().scale_grads(0.5);
  s.updater().clamp_grads(1.75);

  EXPECT_EQ(s.view.grads()[0], 1.5F);
  EXPECT_EQ(s.view.grads()[1], -1.75F);
}

TEST(Updater, FactorsReachTheOptimizerAsOneAndLeaveGradientsAlone) {
  Rig s;
  s.view.grads()[0] = 4;

  s.updater().unscale(0.5);
  s.updater().scale_grads(0.25);
  s.updater().optimizer_step();
  s.updater().optimizer_step();

  EXPECT_EQ(s.view.grads()[0], 4);
  EXPECT_THAT(s.optimizer.scales, ElementsAre(0.125, 1));
}

TEST(Updater, FactorsOfAStepThatWasSkippedAreForgotten) {
  Rig s;

  s.updater().unscale(0.5);
  s.updater().begin_step();
  s.updater().optimizer_step();

  EXPECT_THAT(s.optimizer.scales, ElementsAre(1));
}

TEST(Updater, AFiniteNormSparesTheLookForInfinityInThatStepOnly) {
  Rig s;
  s.view.grads()[0] = 1;
  (void)s.updater().grad_norm(2);
  s.view.grads()[0] = kInf;  // nobody would: shows that it is not looked at

  EXPECT_FALSE(s.updater().unscale(0.5));
  s.updater().begin_step();
  EXPECT_TRUE(s.updater().unscale(0.5));
}

TEST(Updater, AStrategyThatComputesTheNormFindsTheFactorInTheGradients) {
  strata_strategy_api api = {};
  api.base = {STRATA_HDR(strata_strategy_api), [](void*) {}, nullptr};
  api.grad_norm = [](void* self, double, double* out) {
    *out = static_cast<double>(*static_cast<const float*>(self));
    return strata_rc{STRATA_OK};
  };
  Rig s;
  const border::Object<strata_strategy_api> strategy({s.view.grads(), &api}, "FakeStrategy");
  s.strategy = &strategy;
  s.view.grads()[0] = 4;

  s.updater().unscale(0.5);

  EXPECT_EQ(s.updater().grad_norm(2), 2);
}

TEST(Updater, TheHostWritesCopiesForAnOptimizerThatDoesNot) {
  Rig s;
  strata_buffer halves;
  halves.bytes.assign(2 + 2 * static_cast<size_t>(s.view.view.c.numel), std::byte{0xEE});
  s.view.view.c.copy = &halves;
  s.view.view.c.copy_offset = 2;
  s.view.view.c.copy_dtype = STRATA_BF16;
  s.rt.untouched[1] = true;
  s.view.grads()[0] = 1;

  s.updater().optimizer_step();

  const auto* const copy = reinterpret_cast<const uint16_t*>(halves.bytes.data()) + 1;
  EXPECT_EQ(copy[0], 0x3F00);  // 1 - 0.5 * 1
  EXPECT_EQ(copy[1], 0x3F80);
  EXPECT_EQ(copy[4], 0xEEEE);  // untouched
  EXPECT_EQ(copy[7], 0xEEEE);  // padding
  EXPECT_EQ(copy[8], 0x3F80);
}

TEST(Updater, AsksTheStrategyForTheNormUnlessItDeclines) {
  strata_strategy_api api = {};
  api.base = {STRATA_HDR(strata_strategy_api), [](void*) {}, nullptr};
  int32_t answer = STRATA_OK;
  api.grad_norm = [](void* self, double p, double* out) {
    *out = 10 * p;
    return strata_rc{*static_cast<int32_t*>(self)};
  };
  const border::Object<strata_strategy_api> strategy({&answer, &api}, "FakeStrategy");
  Rig s;
  s.strategy = &strategy;
  s.view.grads()[0] = 3;

  EXPECT_EQ(s.updater().grad_norm(2), 20);
  answer = STRATA_E_UNSUPPORTED;
  EXPECT_EQ(s.updater().grad_norm(2), 3);
}

TEST(Updater, TellsTheStrategyThatValuesChanged) {
  strata_strategy_api api = {};
  api.base = {STRATA_HDR(strata_strategy_api), [](void*) {}, nullptr};
  int32_t calls = 0;
  api.values_changed = [](void* self) {
    ++*static_cast<int32_t*>(self);
    return strata_rc{STRATA_OK};
  };
  const border::Object<strata_strategy_api> strategy({&calls, &api}, "FakeStrategy");
  Rig s;
  s.strategy = &strategy;

  s.updater().values_changed();

  EXPECT_EQ(calls, 1);
}

TEST(Updater, AnswersTheUpdateService) {
  Rig s;
  s.view.grads()[0] = 3;
  s.updater();
  double norm = 0;
  int32_t found = 1;
  const strata_update_api& api = *optim::update_service();

  EXPECT_EQ(api.unscale(&s.rt, 1, &found), STRATA_OK);
  EXPECT_EQ(api.grad_norm(&s.rt, 2, &norm), STRATA_OK);
  EXPECT_EQ(api.scale_grads(&s.rt, 2), STRATA_OK);
  EXPECT_EQ(api.clamp_grads(&s.rt, 5), STRATA_OK);
  EXPECT_EQ(api.optimizer_step(&s.rt), STRATA_OK);
  EXPECT_EQ(found, 0);
  EXPECT_EQ(norm, 3);
  EXPECT_EQ(s.view.values()[0], 1 - 0.5F * 5);
  FakeRuntime idle;
  EXPECT_EQ(api.optimizer_step(&idle), STRATA_E_ARGUMENT);
}

}  // namespace
}  // namespace strata::test
