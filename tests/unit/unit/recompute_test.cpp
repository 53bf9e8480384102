// Which units are a model's repeated blocks.
#include "unit/recompute.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace strata::unit {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

Unit unit(const char* type, int32_t parent, std::vector<int32_t> params = {}) {
  return {type, type, parent, std::move(params), {}};
}

TEST(RepeatedBlocks, AreWhatStandsInAModuleList) {
  const std::vector<Unit> units = {
      unit("Model", -1),
      unit("Embedding", 0, {0}),
      unit("ModuleList", 0),
      unit("Block", 2),
      unit("Linear", 3, {1}),
      unit("Block", 2),
      unit("Linear", 5, {2}),
      unit("LayerNorm", 0, {3}),
  };
  EXPECT_THAT(repeated_blocks(units), ElementsAre(3, 5));
}

TEST(RepeatedBlocks, OfAListOfOneAreThatOne) {
  const std::vector<Unit> units = {
      unit("Model", -1), unit("ModuleList", 0), unit("Block", 1), unit("Linear", 2, {0})};
  EXPECT_THAT(repeated_blocks(units), ElementsAre(2));
}

TEST(RepeatedBlocks, AreFoundInStagesWithUnitsOfOneType) {
  const std::vector<Unit> units = {
      unit("Net", -1),
      unit("Conv2d", 0, {0}),
      unit("Stage", 0),
      unit("Bottleneck", 2),
      unit("Conv2d", 3, {1}),
      unit("Downsample", 3),
      unit("Conv2d", 5, {2}),
      unit("BatchNorm2d", 5, {3}),
      unit("Bottleneck", 2),
      unit("Conv2d", 8, {4}),
  };
  EXPECT_THAT(repeated_blocks(units), ElementsAre(3, 8));
}

TEST(RepeatedBlocks, AreTheOutermostOfListsInLists) {
  const std::vector<Unit> units = {
      unit("Model", -1),
      unit("ModuleList", 0),
      unit("Block", 1),
      unit("ModuleList", 2),
      unit("Expert", 3),
      unit("Linear", 4, {0}),
  };
  EXPECT_THAT(repeated_blocks(units), ElementsAre(2));
}

TEST(RepeatedBlocks, OfAModelWithoutListsAreTheRootsPartsThatHaveParts) {
  const std::vector<Unit> units = {
      unit("Model", -1),
      unit("Encoder", 0),
      unit("Linear", 1, {0}),
      unit("Norm", 1, {1}),
      unit("Linear", 0, {2}),
      unit("Decoder", 0),
      unit("Linear", 5, {3}),
  };
  EXPECT_THAT(repeated_blocks(units), ElementsAre(1, 5));
}

TEST(RepeatedBlocks, ThatHaveNoPartsAreNone) {
  EXPECT_THAT(repeated_blocks({unit("MLP", -1), unit("Linear", 0, {0}), unit("Linear", 0, {1})}),
              IsEmpty());
  EXPECT_THAT(repeated_blocks({unit("Model", -1), unit("Sequential", 0), unit("Linear", 1, {0})}),
              ElementsAre(1));
  EXPECT_THAT(repeated_blocks({unit("Linear", -1, {0})}), IsEmpty());
}

TEST(BorrowerAcross, IsFoundOnEitherSideOfABlocksBorder) {
  std::vector<Unit> units = {unit("Model", -1),
                             unit("Embedding", 0, {0}),
                             unit("ModuleList", 0),
                             unit("Block", 2),
                             unit("Linear", 3, {1}),
                             unit("Linear", 3),
                             unit("Head", 0)};
  units[6].borrowed = {0};  // a tied head
  units[5].borrowed = {1};  // inside one block
  EXPECT_EQ(borrower_across(units, {3}), -1);

  units[5].borrowed = {0};  // a block from outside
  EXPECT_EQ(borrower_across(units, {3}), 5);
  EXPECT_EQ(borrower_across(units, {}), -1);

  units[5].borrowed = {};
  units[6].borrowed = {1};  // from inside a block
  EXPECT_EQ(borrower_across(units, {3}), 6);
}

TEST(EveryNth, CountsBlocksFromOne) {
  EXPECT_THAT(every_nth({3, 5, 7, 9, 11}, 1), ElementsAre(3, 5, 7, 9, 11));
  EXPECT_THAT(every_nth({3, 5, 7, 9, 11}, 2), ElementsAre(5, 9));
  EXPECT_THAT(every_nth({3, 5, 7, 9, 11}, 5), ElementsAre(11));
  EXPECT_THAT(every_nth({3, 5, 7, 9, 11}, 6), IsEmpty());
}

}  // namespace
}  // namespace strata::unit
