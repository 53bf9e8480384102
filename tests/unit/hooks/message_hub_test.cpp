// Tests of the message hub: windows, facts, what a checkpoint keeps, the C service.
#include "hooks/message_hub.hpp"

#include <cmath>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "border/errors.hpp"
#include "border/runtime.hpp"

namespace strata::hooks {
namespace {

using border::view;
using testing::HasSubstr;

History history_of(std::initializer_list<double> values, int64_t capacity = History::kCapacity) {
  History out(capacity);
  for (const double value : values) {
    out.update(value, 1);
  }
  return out;
}

TEST(History, GivesStatisticsOfTheLastValues) {
  const History history = history_of({9, 1, 2, 6});

  EXPECT_EQ(history.current(), 6);
  EXPECT_EQ(history.mean(3), 3);
  EXPECT_EQ(history.max(3), 6);
  EXPECT_EQ(history.min(3), 1);
}

TEST(History, TakesAllValuesWhenTheWindowIsLarger) {
  const History history = history_of({9, 1, 2});

  EXPECT_EQ(history.mean(10), 4);
  EXPECT_EQ(history.max(10), 9);
  EXPECT_EQ(history.min(10), 1);
}

TEST(History, DividesSumsByCounts) {
  History history;
  history.update(10, 4);
  history.update(2, 2);

  EXPECT_EQ(history.mean(2), 2);
  EXPECT_EQ(history.mean(1), 1);
}

TEST(History, ForgetsOldValuesButNotWhatTheyAddedUpTo) {
  const History history = history_of({10, 1, 2, 3}, 2);

  EXPECT_EQ(history.size(), 4);
  EXPECT_EQ(history.mean(4), 4);
  EXPECT_EQ(history.max(4), 10);
  EXPECT_EQ(history.mean(2), 2.5);
  EXPECT_EQ(history.mean(3), 2.5);  // two are left of the three
}

TEST(History, SpreadsNanIntoEveryStatistic) {
  const History history = history_of({5, 1, std::nan(""), 2});

  for (const int64_t window : {3, 4}) {
    EXPECT_TRUE(std::isnan(history.mean(window)));
    EXPECT_TRUE(std::isnan(history.max(window)));
    EXPECT_TRUE(std::isnan(history.min(window)));
  }
}

TEST(MessageHub, KeepsTheOrderInWhichScalarsCame) {
  MessageHub hub;
  hub.update_scalar("train/lr", 1);
  hub.update_scalar("train/a", 2);
  hub.update_scalar("train/lr", 3);

  ASSERT_EQ(hub.scalars().size(), 2U);
  EXPECT_EQ(hub.scalars()[0].first, "train/lr");
  EXPECT_EQ(hub.scalar("train/lr")->current(), 3);
  EXPECT_EQ(hub.scalar("val/lr"), nullptr);
}

TEST(MessageHub, TellsTextsFromNumbers) {
  MessageHub hub;
  hub.set("name", "x");
  hub.set("score", 0.5);

  EXPECT_EQ(*hub.text("name"), "x");
  EXPECT_EQ(hub.number("score"), 0.5);
  EXPECT_EQ(hub.text("score"), nullptr);
  EXPECT_EQ(hub.number("name"), std::nullopt);
}

TEST(MessageHub, SavesFactsThatAreResumedAndNoHistories) {
  MessageHub hub;
  hub.set("best_score", 0.1);
  hub.set("best_ckpt", "run/\"best\"\n");
  hub.set("eta", 3.0, false);
  hub.update_scalar("train/loss", 1);

  EXPECT_EQ(hub.save(), R"({"texts":{"best_ckpt":"run/\"best\"\n"},"numbers":{"best_score":0.1}})");
}

TEST(MessageHub, LoadsWhatItSavedToTheBit) {
  MessageHub hub;
  hub.set("a", 0.1 + 0.2);
  hub.set("inf", -std::numeric_limits<double>::infinity());
  hub.set("nan", std::nan(""));
  hub.set("text", "\u00e9\n");

  MessageHub other;
  other.set("kept", "here");
  other.load(hub.save());

  EXPECT_EQ(other.number("a"), 0.1 + 0.2);
  EXPECT_EQ(other.number("inf"), -std::numeric_limits<double>::infinity());
  EXPECT_TRUE(std::isnan(*other.number("nan")));
  EXPECT_EQ(*other.text("text"), "\u00e9\n");
  EXPECT_EQ(*other.text("kept"), "here");
}

TEST(MessageHub, RefusesToLoadWhatItDidNotSave) {
  MessageHub hub;

  EXPECT_THROW(hub.load("{}"), Error);
  EXPECT_THROW(hub.load("nonsense"), Error);
}

TEST(MessageHub, RefusesToChangeWhetherAKeyIsResumed) {
  MessageHub hub;
  hub.set("eta", 1.0, false);

  try {
    hub.set("eta", 1.0, true);
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), STRATA_E_ARGUMENT);
    EXPECT_THAT(e.message(), HasSubstr("\"eta\" was not to be resumed"));
  }
}

TEST(MessageHub, RefusesACountOfZero) {
  MessageHub hub;

  EXPECT_THROW(hub.update_scalar("a", 1, 0), Error);
}

TEST(HubService, ReadsAndWritesTheHubOfItsRuntime) {
  MessageHub hub;
  strata_runtime runtime;
  runtime.hub = &hub;
  const strata_hub_api& api = *hub_service();

  ASSERT_EQ(api.update_scalar(&runtime, view("a"), 2.5, 1, 1), STRATA_OK);
  ASSERT_EQ(api.set_text(&runtime, view("t"), view("text"), 1), STRATA_OK);
  ASSERT_EQ(api.set_number(&runtime, view("n"), 7, 1), STRATA_OK);

  double current = 0;
  double number = 0;
  strata_str text{};
  EXPECT_EQ(api.scalar(&runtime, view("a"), &current), STRATA_OK);
  EXPECT_EQ(api.number(&runtime, view("n"), &number), STRATA_OK);
  EXPECT_EQ(api.text(&runtime, view("t"), &text), STRATA_OK);
  EXPECT_EQ(current, 2.5);
  EXPECT_EQ(number, 7);
  EXPECT_EQ(view(text), "text");
}

TEST(HubService, SaysWhatItDoesNotHaveAndLeavesTheResultAlone) {
  MessageHub hub;
  strata_runtime runtime;
  runtime.hub = &hub;
  double out = 4;

  EXPECT_EQ(hub_service()->scalar(&runtime, view("a"), &out), STRATA_E_NOT_FOUND);
  EXPECT_EQ(hub_service()->number(&runtime, view("a"), &out), STRATA_E_NOT_FOUND);
  EXPECT_EQ(out, 4);
  EXPECT_THROW(border::check(STRATA_E_NOT_FOUND), Error);
}

}  // namespace
}  // namespace strata::hooks
