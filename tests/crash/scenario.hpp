// Runs crash_driver in a folder of its own.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "contents.hpp"
#include "disk.hpp"
#include "program.hpp"

namespace strata::test {

/// <folder>/disk is watched; the work_dir is disk/runs/work, so that the folders above it count as well.
class Scenario {
 public:
  Scenario();
  Scenario(const Scenario&) = delete;
  Scenario& operator=(const Scenario&) = delete;
  ~Scenario();

  [[nodiscard]] std::filesystem::path disk() const { return folder_ / "disk"; }

  [[nodiscard]] std::filesystem::path work_dir() const { return disk() / "runs" / "work"; }

  /// An empty disk and no journal.
  void reset() const;

  using Environment = std::vector<std::pair<std::string, std::string>>;

  /// The driver, watched, with these arguments after its work_dir.
  [[nodiscard]] Start driver(Environment more = {}, std::vector<std::string> args = {}) const;
  [[nodiscard]] std::vector<Record> journal() const;

 private:
  std::filesystem::path folder_;
};

/// Hidden entries of a work_dir: what is written aside, and should be gone.
std::vector<std::string> leftovers(const std::filesystem::path& work_dir);

/// What the first `count` records promise, and the newest version that was begun. 0: none.
struct Progress {
  int last = 0;
  std::map<std::string, int> versions;
  int begun = 0;
};

Progress progress_of(const std::vector<Record>& journal, size_t count);

/// What is wrong with what was found, if the power went there; empty: nothing.
std::string complaint(const Found& found, const Progress& progress);

}  // namespace strata::test
