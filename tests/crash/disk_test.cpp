// The disk of the tests forgets what a real one may forget, and nothing that was synced.
#include "disk.hpp"

#include <algorithm>
#include <set>

#include <gmock/gmock.h>

namespace strata::test {
namespace {

using testing::Contains;

using testing::UnorderedElementsAre;

Record open(FileOp op, int64_t handle, std::string path) {
  return {op, 0, handle, 0, std::move(path), {}, {}};
}

Record write(int64_t handle, int64_t offset, std::string data) {
  return {FileOp::kWrite, 0, handle, offset, {}, {}, std::move(data)};
}

Record sync(int64_t handle) {
  return {FileOp::kSync, 0, handle, 0, {}, {}, {}};
}

Record names(FileOp op, std::string path, std::string path2 = {}) {
  return {op, 0, -1, 0, std::move(path), std::move(path2), {}};
}

class DiskTest : public testing::Test {
 protected:
  void apply(const std::vector<Record>& records) {
    for (const Record& record : records) {
      disk_.apply(record);
    }
  }

  [[nodiscard]] std::set<Tree> outcomes() const {
    std::set<Tree> out;
    disk_.for_each_after_power_cut([&](const Tree& tree) { out.insert(tree); });
    return out;
  }

  Disk disk_;
};

const Record kRoot = open(FileOp::kOpen, 0, "");

TEST_F(DiskTest, KeepsAFileWhoseContentAndNameWereSynced) {
  apply({kRoot, open(FileOp::kCreate, 1, "a"), write(1, 0, "xyz"), sync(1), sync(0)});

  EXPECT_THAT(outcomes(), UnorderedElementsAre(Tree{{"a", "xyz"}}));
}

TEST_F(DiskTest, MayForgetTheNameOfASyncedFile) {
  apply({open(FileOp::kCreate, 1, "a"), write(1, 0, "xyz"), sync(1)});

  EXPECT_THAT(outcomes(), UnorderedElementsAre(Tree{}, Tree{{"a", "xyz"}}));
}

TEST_F(DiskTest, MayKeepANameWithoutItsContentOrWithZerosInIt) {
  apply({kRoot, open(FileOp::kCreate, 1, "a"), sync(0), write(1, 0, "xyz")});

  EXPECT_THAT(
      outcomes(),
      UnorderedElementsAre(Tree{{"a", ""}}, Tree{{"a", "xyz"}}, Tree{{"a", std::string(3, '\0')}}));
}

TEST_F(DiskTest, KeepsWhatWasSyncedBeforeMoreCame) {
  apply({kRoot,
         open(FileOp::kCreate, 1, "a"),
         write(1, 0, "xy"),
         sync(1),
         sync(0),
         write(1, 2, "z")});

  EXPECT_THAT(outcomes(),
              UnorderedElementsAre(
                  Tree{{"a", "xy"}}, Tree{{"a", "xyz"}}, Tree{{"a", std::string("xy\0", 3)}}));
}

TEST_F(DiskTest, RenamesWholeOrNotAtAll) {
  apply({kRoot, open(FileOp::kCreate, 1, "old"), write(1, 0, "1"), sync(1)});
  apply({open(FileOp::kCreate, 2, "new"), write(2, 0, "2"), sync(2), sync(0)});
  apply({names(FileOp::kRename, "new", "old")});

  EXPECT_THAT(outcomes(),
              UnorderedElementsAre(Tree{{"new", "2"}, {"old", "1"}}, Tree{{"old", "2"}}));
}

TEST_F(DiskTest, ExchangesWholeOrNotAtAll) {
  apply({kRoot, names(FileOp::kMakeFolder, "a"), open(FileOp::kCreate, 1, "b"), sync(0)});
  apply({names(FileOp::kExchange, "a", "b")});

  EXPECT_THAT(outcomes(),
              UnorderedElementsAre(Tree{{"a", std::nullopt}, {"b", ""}},
                                   Tree{{"a", ""}, {"b", std::nullopt}}));
}

TEST_F(DiskTest, MayDoTheSecondOfTwoChangesAlone) {
  apply({kRoot, names(FileOp::kMakeFolder, "a"), names(FileOp::kMakeFolder, "b")});

  EXPECT_THAT(outcomes(), Contains(Tree{{"b", std::nullopt}}));
}

// A checkpoint that is renamed before its folder is synced.
TEST_F(DiskTest, MayKeepARenamedFolderWithoutWhatIsInIt) {
  apply({kRoot, names(FileOp::kMakeFolder, "a"), open(FileOp::kCreate, 1, "a/file"), sync(1)});
  apply({names(FileOp::kRename, "a", "b"), sync(0)});

  EXPECT_THAT(
      outcomes(),
      UnorderedElementsAre(Tree{{"b", std::nullopt}}, Tree{{"b", std::nullopt}, {"b/file", ""}}));
}

// What is deleted from a folder that was moved away, while the disk has it in its place still.
TEST_F(DiskTest, MayDeleteFromAFolderThatItHasNotMoved) {
  apply({kRoot, names(FileOp::kMakeFolder, "a"), open(FileOp::kCreate, 1, "a/file"), sync(1)});
  apply({open(FileOp::kOpen, 2, "a"), sync(2), sync(0)});
  apply({names(FileOp::kRename, "a", "b"), names(FileOp::kUnlink, "b/file")});

  EXPECT_THAT(outcomes(), Contains(Tree{{"a", std::nullopt}}));
}

TEST_F(DiskTest, LosesASyncThatIsNotMade) {
  apply({kRoot, open(FileOp::kCreate, 1, "a"), write(1, 0, "xyz"), sync(1)});
  disk_.apply(sync(0), /*lose_sync=*/true);

  EXPECT_THAT(outcomes(), Contains(Tree{}));
}

TEST_F(DiskTest, DoesNotChangeByWhatFailed) {
  apply({{FileOp::kMakeFolder, EIO, -1, 0, "a", {}, {}}});

  EXPECT_EQ(disk_.now(), Tree{});
}

TEST_F(DiskTest, SaysSoOfARenameThatItCannotJudge) {
  apply({names(FileOp::kMakeFolder, "a"), open(FileOp::kCreate, 1, "b")});

  EXPECT_THROW(disk_.apply(names(FileOp::kRename, "b", "a/b")), std::logic_error);
}

}  // namespace
}  // namespace strata::test
