// States of optimizers and hooks, and stretches of them.
#include <cstring>
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "updater_rig.hpp"

namespace strata::test {
namespace {

using optim::HyperTable;
using optim::StateSlice;
using optim::Updater;
using testing::ElementsAre;
using testing::HasSubstr;

TEST(UpdaterState, KeepsZeroedStatesUnderTheTagOptim) {
  Rig s;
  s.updater();
  float sum = 0;
  s.updater().for_each_state([&](const StateSlice& slice) {
    for (int64_t i = 0; i < slice.count; ++i) {
      sum += static_cast<float*>(slice.data)[i];
    }
  });

  EXPECT_THAT(s.rt.tags, ElementsAre("optim"));
  EXPECT_EQ(sum, 0);
}

TEST(UpdaterState, StateGoesByParameterNameIntoOtherViews) {
  Rig from;
  from.rt.untouched[1] = true;
  from.updater().optimizer_step();
  std::map<std::string, std::vector<float>> saved;
  std::map<std::string, int64_t> steps;
  from.updater().for_each_state([&](const StateSlice& slice) {
    const auto* data = static_cast<const float*>(slice.data);
    saved[std::string(slice.param)].assign(data, data + slice.count);
    steps[std::string(slice.param)] = slice.step;
    EXPECT_EQ(slice.state, "count");
  });
  FakeView cut{{segment(0, 2, 2, 0), segment(2, 0, 3, 1)}};  // the second half of a, all of b
  FakeOptimizer optimizer;
  Updater into({{cut.view},
                from.params,
                optimizer.object(),
                HyperTable({{"lr", 0.5, STRATA_HYPER_LR}}, {{0.5}}),
                nullptr},
               {&fake_memory(), &fake_params(), nullptr, &from.rt});

  into.for_each_state([&](const StateSlice& slice) {
    const std::string name(slice.param);
    std::memcpy(slice.data,
                saved[name].data() + slice.param_offset,
                static_cast<size_t>(slice.count) * sizeof(float));
    into.set_steps(name, steps[name]);
  });
  from.rt.untouched[1] = false;
  into.optimizer_step();

  EXPECT_THAT(count_and_step(optimizer.steps[0]), ElementsAre(std::pair(2, 2), std::pair(3, 1)));
  std::vector<float> counts;
  into.for_each_state(
      [&](const StateSlice& slice) { counts.push_back(static_cast<float*>(slice.data)[0]); });
  EXPECT_THAT(counts, ElementsAre(2.0F, 1.0F));
}

TEST(UpdaterState, KeepsStatesOfHooksBesideTheOptimizersAndTellsThemApart) {
  Rig s;
  s.updater().add_state("ema", false);
  s.updater().optimizer_step();

  std::vector<std::string> seen;
  s.updater().for_each_state([&](const StateSlice& slice) {
    seen.push_back(std::string(slice.param) + "." + std::string(slice.state) +
                   (slice.optional ? "?" : ""));
  });

  EXPECT_THAT(s.updater().states(), ElementsAre("count", "ema"));
  EXPECT_THAT(seen, ElementsAre("a.count", "a.ema?", "b.count", "b.ema?", "c.count", "c.ema?"));
  EXPECT_EQ(s.optimizer.steps[0][0].state[1], nullptr) << "the optimizer has nothing to do with it";
  EXPECT_THAT(s.rt.tags, ElementsAre("optim", "optim"));
  EXPECT_THAT(error_of([&] { s.updater().add_state("count", false); }), HasSubstr("\"count\""));
  EXPECT_THAT(error_of([&] { s.updater().add_state("ema", false); }), HasSubstr("\"ema\""));
}

TEST(UpdaterState, GivesStretchesOfValuesStatesAndBuffersInOneOrder) {
  Rig s;
  std::vector<float> mean = {1, 2, 3};
  int64_t batches = 7;
  s.buffers = [&] {
    return std::vector<optim::BufferSlot>{{"bn.mean", STRATA_F32, {3}, mean.data()},
                                          {"bn.batches", STRATA_I64, {}, &batches}};
  };
  s.updater();
  const strata_update_api& api = *optim::update_service();
  ASSERT_EQ(api.add_state(&s.rt, border::view(std::string_view("ema")), STRATA_STATE_BUFFERS), 0);

  EXPECT_THAT(s.stretches(""), ElementsAre("a 0+4 of 0", "b 0+3 of 1", "c 0+2 of 2"));
  EXPECT_THAT(s.stretches("ema"),
              ElementsAre("a 0+4 of 0", "b 0+3 of 1", "c 0+2 of 2", "bn.mean 0+3 of -1"));
  EXPECT_EQ(s.last, s.updater().buffer_states().at(0).data);
  std::vector<const void*> buffers;
  const strata_stretch_sink sink = {
      &buffers, [](void* ctx, const strata_stretch* stretch) {
        static_cast<std::vector<const void*>*>(ctx)->push_back(stretch->data);
        return strata_rc{STRATA_OK};
      }};
  EXPECT_EQ(api.buffers(&s.rt, &sink), STRATA_OK);
  EXPECT_THAT(buffers, ElementsAre(mean.data(), &batches));
  EXPECT_EQ(api.stretches(&s.rt, border::view(std::string_view("ghost")), &sink),
            STRATA_E_NOT_FOUND);
}

// A hook swaps values and its state, so they have to be of one type; an optimizer's are fp32 where values are halves.
TEST(UpdaterState, KeepsStatesOfHooksInTheTypeOfTheValues) {
  Rig s;
  s.view.view.c.value_dtype = STRATA_F16;
  s.updater().add_state("ema", false);
  std::map<std::string, int32_t> types;
  s.updater().for_each_state(
      [&](const StateSlice& slice) { types[std::string(slice.state)] = slice.dtype; });

  EXPECT_EQ(types, (std::map<std::string, int32_t>{{"count", STRATA_F32}, {"ema", STRATA_F16}}));
}

}  // namespace
}  // namespace strata::test
