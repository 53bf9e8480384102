// What a journal's operations leave on a disk, at once or after the power went.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "journal.hpp"

namespace strata::test {

/// A folder's content by relative path; nothing: a folder.
using Tree = std::map<std::string, std::optional<std::string>>;

/// Makes the folder hold exactly this.
void write_tree(const std::filesystem::path& folder, const Tree& tree);
Tree read_tree(const std::filesystem::path& folder);

/// A file system that promises what POSIX does and no more. A file's content is safe up to its last sync, a folder's
/// names up to that folder's. What came later reaches the disk in any order, or never; one rename does so whole.
class Disk {
 public:
  /// Empty, and on the disk.
  Disk() : nodes_(1) { nodes_[0].folder = true; }

  /// `lose_sync`: as if a sync were not made, whose caller believes that it was.
  void apply(const Record& record, bool lose_sync = false);

  /// What a program sees while the power is on.
  [[nodiscard]] Tree now() const;

  /// Every tree that a power cut can leave; some twice. Names that were not synced: any choice of their changes while
  /// there are few, else each beginning and each single one, present or missing. Contents not synced: as of the sync,
  /// as written, or the length as written with zeros in it.
  void for_each_after_power_cut(const std::function<void(const Tree&)>& visit) const;

 private:
  using Names = std::map<std::string, size_t>;

  /// An entry that gets another node, or none.
  struct Entry {
    std::string name;
    std::optional<size_t> before;
    std::optional<size_t> after;
  };

  using Change = std::vector<Entry>;  // happens whole

  struct Node {
    bool folder = false;
    std::string content;
    std::string synced_content;
    Names names;
    Names synced_names;
    std::vector<Change> unsynced;  // from synced_names to names
  };

  using Choice = std::vector<bool>;  // of a folder's unsynced changes, those that reach the disk
  using Choices = std::map<size_t, Names>;  // by folder
  enum class Contents { kSynced, kWritten, kZeros };

  [[nodiscard]] std::pair<size_t, std::string> parent_of(const std::string& path) const;
  [[nodiscard]] std::optional<size_t> find(const std::string& path) const;
  [[nodiscard]] size_t node_of(const Record& record) const;
  size_t make(bool folder);
  void change(size_t folder, const Change& change);
  void move(const Record& record);
  void sync(size_t node);
  static void apply_to(Names& names, const Change& change);
  static std::vector<Choice> choices(size_t changes);
  [[nodiscard]] std::vector<Names> possible_names(const Node& node) const;
  [[nodiscard]] std::set<size_t> reachable() const;
  void collect(size_t folder,
               const std::string& path,
               const Choices& chosen,
               Contents contents,
               Tree& out) const;

  std::vector<Node> nodes_;
  std::map<int64_t, size_t> open_;  // by handle
};

}  // namespace strata::test
