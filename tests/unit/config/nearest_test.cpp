// Suggested names.
#include "config/nearest.hpp"

#include <array>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace strata::config {
namespace {

constexpr std::array<std::string_view, 5> kNames = {
    "stage", "AdamW", "overlap_comm", "DeepSpeedStrategy", "lr"};

TEST(Nearest, FindsALeftOutAnAddedAChangedAndASwappedLetter) {
  for (const char* name : {"stag", "sttage", "stahe", "satge"}) {
    EXPECT_EQ(nearest(name, kNames), "stage") << name;
  }
}

TEST(Nearest, OverlooksLetterCaseAndDashes) {
  EXPECT_EQ(nearest("adamw", kNames), "AdamW");
  EXPECT_EQ(nearest("overlap-comm", kNames), "overlap_comm");
}

TEST(Nearest, TakesABeginningForTheWholeName) {
  EXPECT_EQ(nearest("DeepSpeed", kNames), "DeepSpeedStrategy");
  EXPECT_EQ(nearest("overlap_comm_bytes", kNames), "overlap_comm");
}

TEST(Nearest, FindsNothingFarAway) {
  EXPECT_EQ(nearest("momentum", kNames), std::nullopt);
  EXPECT_EQ(nearest("x", kNames), std::nullopt);
  EXPECT_EQ(nearest("", kNames), std::nullopt);
  EXPECT_EQ(nearest("stage", {}), std::nullopt);
}

TEST(Nearest, PrefersTheClosest) {
  constexpr std::array<std::string_view, 3> kSimilar = {"betas_", "beta", "betas"};

  EXPECT_EQ(nearest("betas", kSimilar), "betas");
}

TEST(Nearest, ListsTheKnownNamesWhenNoneIsNear) {
  EXPECT_EQ(did_you_mean("stag", kNames), "; did you mean \"stage\"?");
  EXPECT_EQ(did_you_mean("momentum", kNames),
            "; known: stage, AdamW, overlap_comm, DeepSpeedStrategy, lr");
  EXPECT_EQ(did_you_mean("momentum", {}), "");
}

TEST(Nearest, CutsALongList) {
  const std::vector<std::string_view> many(21, "abcdefgh");

  EXPECT_TRUE(did_you_mean("xyz", many).ends_with(", …"));
}

}  // namespace
}  // namespace strata::config
