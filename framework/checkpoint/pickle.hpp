// What a pickle describes, without running any of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/strict_json.hpp"

namespace strata::checkpoint {

/// A Python value. Classes are names: nothing is looked up or called.
struct PickleValue {
  enum class Kind : uint8_t {
    kNone,
    kBool,
    kInt,
    kFloat,
    kText,     // of bytes as well
    kTuple,    // torch.Size as well
    kList,     // sets as well
    kDict,     // items: key, value, key, value, … in the order in which they were set
    kGlobal,   // a class or function: text is its module, name its name
    kStorage,  // items: what torch.save wrote of a storage
    kTensor,   // items: the arguments of torch._utils._rebuild_tensor_v2
    kOpaque,  // an object of another class: text and name as in kGlobal; what was done to it is not kept
  };

  Kind kind = Kind::kNone;
  int64_t number = 0;          // of kBool and kInt
  std::string_view text = {};  // lies in the pickle
  std::string_view name = {};
  std::vector<uint32_t> items = {};  // indices into Pickle::values
};

/// Values refer to each other by index, so they may form cycles.
struct Pickle {
  std::deque<PickleValue> values;
  uint32_t root = 0;

  [[nodiscard]] const PickleValue& at(uint32_t index) const { return values[index]; }

  [[nodiscard]] const PickleValue& top() const { return values[root]; }

  /// The last value that a dict has under a text; nullptr when there is none, or no dict.
  [[nodiscard]] const PickleValue* find(const PickleValue& dict, std::string_view key) const;
};

/// Reads the opcodes of protocols 2 to 5. Values, their items and the depth of the pickle are bounded, which keeps
/// memory below 2 GB, and no step takes longer than its part of these. Borrows `bytes`.
///
/// Understood are Python's own values and containers, collections.OrderedDict, torch.Size, the storages of torch.save
/// and torch._utils' functions that make tensors and parameters of them; all else is opaque.
///
/// Source   Lib/pickletools.py of Python 3.11 for the opcodes; torch/serialization.py for persistent ids.
/// Errors   those of refuse.
Pickle read_pickle(std::span<const std::byte> bytes, const Refuse& refuse);

}  // namespace strata::checkpoint
