// Which name was meant.
#include "strata/kit/nearest.hpp"

#include <array>

#include <gtest/gtest.h>

namespace strata::kit {
namespace {

constexpr std::array<std::string_view, 3> kKnown = {"stage", "stages_of_all", "verbose"};

TEST(Nearest, IsTheNameWithTheFewestChanges) {
  EXPECT_EQ(nearest("stagee", kKnown), "stage");
  EXPECT_EQ(nearest("tsage", kKnown), "stage");
  EXPECT_EQ(nearest("verbos", kKnown), "verbose");
}

TEST(Nearest, IsNoneFurtherAwayThanAThirdOfTheName) {
  EXPECT_EQ(nearest("precision", kKnown), "");
  EXPECT_EQ(nearest("", {}), "");
}

TEST(Nearest, InWordsForAMessage) {
  EXPECT_EQ(did_you_mean("stagee", kKnown), "; did you mean \"stage\"?");
  EXPECT_EQ(did_you_mean("precision", kKnown), "");
}

}  // namespace
}  // namespace strata::kit
