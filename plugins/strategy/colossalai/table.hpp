// A table of the configuration, read key by key, which then knows what was not asked for.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "strata/cpp/host.hpp"

namespace strata::colossalai {

/// Errors of all readers: STRATA_E_CONFIG with the key's place, its value and what it may be.
class STRATA_HIDDEN Table {
 public:
  /// node: a table, or nothing. path: of its keys in messages, such as "plugin". notes: outlive it.
  Table(Node node, std::string path, std::vector<std::string>& notes)
      : node_(node), path_(std::move(path)), notes_(notes) {}

  /// The value, or an empty node. Every key that was asked for is known.
  Node find(std::string_view key);

  void read(std::string_view key, bool& out);
  void read(std::string_view key,
            int64_t& out,
            int64_t least,
            int64_t most = std::numeric_limits<int64_t>::max());

  /// A range whose ends belong to it or not.
  struct Range {
    double low;
    double high;
    bool with_low = true;
    bool with_high = true;
  };

  void read(std::string_view key, double& out, const Range& range);

  /// One of these words.
  std::string choice(std::string_view key,
                     std::string_view fallback,
                     std::initializer_list<std::string_view> words);

  /// Accepted, whatever it says, with a note.
  void without_effect(std::string_view key, std::string_view why);
  /// Accepted when it is false; else an error that says why.
  void refuse_true(std::string_view key, std::string_view why);
  void refuse(std::string_view key, std::string_view why);
  /// A note about a key, if it is given.
  void note(std::string_view key, std::string_view said);

  /// Refuses what was not asked for.
  void finish() const;

 private:
  [[nodiscard]] std::string full(std::string_view key) const {
    return path_.empty() ? std::string(key) : text(path_, '.', key);
  }

  Node node_;
  std::string path_;
  std::vector<std::string>& notes_;
  std::vector<std::string_view> known_;
};

}  // namespace strata::colossalai
