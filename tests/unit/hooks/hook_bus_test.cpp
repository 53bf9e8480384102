// Tests of the hook bus: order, interest, errors, the table for the log, states.
#include "hooks/hook_bus.hpp"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "strata/abi/core.h"

namespace strata::hooks {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr uint64_t bit(int32_t point) {
  return uint64_t{1} << point;
}

/// A hook behind a C table as a plugin makes one. It notes its calls.
struct FakeHook {
  std::string name;
  uint64_t points;
  int32_t priority;
  std::vector<std::string>* notes;
  std::string state = {};
  strata_rc result = STRATA_OK;
};

FakeHook& self_of(void* p) {
  return *static_cast<FakeHook*>(p);
}

void destroy(void* p) {
  delete static_cast<FakeHook*>(p);
}

strata_rc describe(void* p, strata_hook_desc* out) {
  out->points = self_of(p).points;
  out->priority = self_of(p).priority;
  return STRATA_OK;
}

strata_rc on(void* p, int32_t point, const strata_hook_ctx* ctx) {
  FakeHook& hook = self_of(p);
  hook.notes->push_back(text(hook.name, "@", point, "/", ctx->batch_idx));
  return hook.result == STRATA_OK ? STRATA_OK
                                  : border::record(hook.result, "the disk is full", "a.toml:3:1");
}

strata_rc save(void* p, const strata_text_sink* out) {
  const std::string& state = self_of(p).state;
  return out->put(out->ctx, {state.data(), state.size()});
}

strata_rc load(void* p, strata_str json) {
  self_of(p).notes->push_back(text(self_of(p).name, "<", border::view(json)));
  return STRATA_OK;
}

const strata_hook_api kApi = {
    {STRATA_HDR(strata_hook_api), &destroy, nullptr}, &describe, &on, &save, &load};

border::Object<strata_hook_api> make(FakeHook hook) {
  const std::string type = hook.name;
  return {{new FakeHook(std::move(hook)), &kApi}, type};
}

class HookBusTest : public testing::Test {
 protected:
  HookBus bus_;
  std::vector<std::string> notes_;
};

TEST_F(HookBusTest, CallsByPriorityAndInTheOrderOfAddingAmongEquals) {
  bus_.add(make({"a", bit(STRATA_POINT_BEFORE_RUN), 50, &notes_}));
  bus_.add(make({"b", bit(STRATA_POINT_BEFORE_RUN), 10, &notes_}));
  bus_.add(make({"c", bit(STRATA_POINT_BEFORE_RUN), 50, &notes_}));

  bus_.fire(STRATA_POINT_BEFORE_RUN);

  EXPECT_THAT(notes_, ElementsAre("b@0/-1", "a@0/-1", "c@0/-1"));
}

TEST_F(HookBusTest, TakesTheConfiguredPriorityOverTheHooksOwn) {
  bus_.add(make({"late", bit(STRATA_POINT_AFTER_RUN), 90, &notes_}), 0);
  bus_.add(make({"early", bit(STRATA_POINT_AFTER_RUN), 10, &notes_}));

  bus_.fire(STRATA_POINT_AFTER_RUN);

  EXPECT_THAT(notes_, ElementsAre("late@21/-1", "early@21/-1"));
}

TEST_F(HookBusTest, CallsOnlyHooksThatAskedForThePoint) {
  bus_.add(make({"a", bit(STRATA_POINT_AFTER_VAL), 50, &notes_}));

  bus_.fire(STRATA_POINT_BEFORE_VAL);

  EXPECT_THAT(notes_, IsEmpty());
}

TEST_F(HookBusTest, HandsTheContextOver) {
  bus_.add(make({"a", bit(STRATA_POINT_AFTER_TRAIN_ITER), 50, &notes_}));
  strata_hook_ctx context = HookBus::empty_context();
  context.batch_idx = 7;

  bus_.fire(STRATA_POINT_AFTER_TRAIN_ITER, context);

  EXPECT_THAT(notes_, ElementsAre("a@5/7"));
}

TEST_F(HookBusTest, NamesHookAndPointOfAnErrorAndStopsThere) {
  FakeHook failing{"FailingHook", bit(STRATA_POINT_AFTER_TRAIN_EPOCH), 50, &notes_};
  failing.result = STRATA_E_IO;
  bus_.add(make(failing));
  bus_.add(make({"Later", bit(STRATA_POINT_AFTER_TRAIN_EPOCH), 60, &notes_}));

  try {
    bus_.fire(STRATA_POINT_AFTER_TRAIN_EPOCH);
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), STRATA_E_IO);
    EXPECT_EQ(e.where(), "a.toml:3:1");
    EXPECT_EQ(e.message(),
              "the disk is full\n  while the hook FailingHook ran at after_train_epoch");
  }
  EXPECT_THAT(notes_, ElementsAre("FailingHook@6/-1"));
}

TEST_F(HookBusTest, RefusesAPriorityOfItsOwnOutOfRange) {
  try {
    bus_.add(make({"a", 0, 101, &notes_}));
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), STRATA_E_ARGUMENT);
    EXPECT_THAT(e.message(), HasSubstr("the hook a gives itself priority 101"));
  }
}

TEST_F(HookBusTest, RefusesAHookThatCannotBeCalled) {
  static const strata_hook_api empty = {
      {STRATA_HDR(strata_hook_api), &destroy, nullptr}, &describe, nullptr, nullptr, nullptr};
  auto* const hook = new FakeHook{"a", 0, 50, &notes_};

  EXPECT_THROW(bus_.add(border::Object<strata_hook_api>({hook, &empty}, "a")), Error);
}

// Written by MMEngine's get_hooks_info for two hooks of these names.
TEST_F(HookBusTest, PrintsTheTableAsMmengineDoes) {
  bus_.add(make({"LoggerHook", bit(STRATA_POINT_AFTER_RUN), 60, &notes_}));
  bus_.add(make({"RuntimeInfoHook",
                 bit(STRATA_POINT_BEFORE_RUN) | bit(STRATA_POINT_AFTER_RUN),
                 10,
                 &notes_}));
  bus_.add(make({"MyHook", bit(STRATA_POINT_AFTER_RUN), 50, &notes_}), 75);

  EXPECT_EQ(bus_.table(),
            "before_run:\n"
            "(VERY_HIGH   ) RuntimeInfoHook                    \n"
            " -------------------- \n"
            "after_run:\n"
            "(VERY_HIGH   ) RuntimeInfoHook                    \n"
            "(BELOW_NORMAL) LoggerHook                         \n"
            "(75          ) MyHook                             \n"
            " -------------------- ");
}

TEST_F(HookBusTest, GivesEachHookItsOwnStateBack) {
  bus_.add(make({"A", 0, 50, &notes_, R"({"n":1})"}));
  bus_.add(make({"A", 0, 50, &notes_, "[2]"}));
  bus_.add(make({"Stateless", 0, 50, &notes_}));

  const std::string saved = bus_.save();
  const auto left = bus_.load(R"({"A":{"n":1},"A#2":[2],"Gone":3})");

  EXPECT_EQ(saved, R"({"A":{"n":1},"A#2":[2]})");
  EXPECT_THAT(notes_, ElementsAre(R"(A<{"n":1})", "A<[2]"));
  EXPECT_THAT(left, ElementsAre("Gone"));
}

TEST_F(HookBusTest, RefusesAStateThatIsNotJson) {
  bus_.add(make({"A", 0, 50, &notes_, "{1"}));

  try {
    (void)bus_.save();
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_THAT(e.message(), HasSubstr("the hook A saves is not JSON"));
  }
  EXPECT_THROW((void)bus_.load("nonsense"), Error);
}

}  // namespace
}  // namespace strata::hooks
