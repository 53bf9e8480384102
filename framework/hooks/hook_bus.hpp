// The hooks of a run in the order in which they run, and what happens at each point.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "strata/abi/hook.h"

#include "border/object.hpp"

namespace strata::hooks {

/// "before_run", …; empty for a number beyond the points known here.
std::string_view point_name(int32_t point);

/// Calls every hook at the points it asked for: lower priority first, equal ones in the order of
/// add(). [main]
class HookBus {
 public:
  /// priority  0 … 100; absent: the hook's own.
  /// Errors: the hook's own from describe(); STRATA_E_ARGUMENT for a hook without describe() or
  /// on(), or a priority of its own outside 0 … 100.
  void add(border::Object<strata_hook_api> hook, std::optional<int32_t> priority = {});

  /// Stops at the first error, which then names the hook and the point.
  void fire(int32_t point, const strata_hook_ctx& context = empty_context()) const;

  /// A context in which every field is absent.
  static strata_hook_ctx empty_context();

  /// Which hooks run at which point and in what order, as MMEngine logs it.
  [[nodiscard]] std::string table() const;

  /// The state whose stored values are to be loaded for weights (strata.hook_weights/1), of the first
  /// hook that names one; else empty.
  [[nodiscard]] std::string weights_state() const;

  /// The states of all hooks that have one: a JSON object by type; a second hook of a type is
  /// "Type#2". Errors: the hook's own, and STRATA_E_ARGUMENT for one that is not JSON; both name
  /// the hook.
  [[nodiscard]] std::string save() const;

  /// Gives each hook its part of save()'s text. Returns the parts that no present hook takes.
  [[nodiscard]] std::vector<std::string> load(std::string_view json) const;

 private:
  struct Entry {
    border::Object<strata_hook_api> hook;
    uint64_t points = 0;
    int32_t priority = 0;
    std::string state_key;
  };

  std::vector<Entry> entries_;
};

}  // namespace strata::hooks
