// Which hooks a configuration asks for: `default_hooks` over the framework's own, then
// `custom_hooks`.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/value.hpp"

namespace strata::hooks {

/// Keys of a hook's table that the host reads itself.
constexpr std::array<std::string_view, 1> kHostKeys = {"priority"};

/// One hook to be made. Its table keeps its address while the spec moves; it must outlive the hook.
class HookSpec {
 public:
  /// path: of the table in the configuration, two segments.
  HookSpec(const std::string& section, std::string name, config::Value table);

  [[nodiscard]] const std::string& name() const { return name_; }

  [[nodiscard]] const config::Value& table() const { return *table_; }

  [[nodiscard]] std::optional<int32_t> priority() const { return priority_; }

 private:
  std::string name_;
  config::Value root_;  // the table under its path, so that messages can name it
  const config::Value* table_;
  std::optional<int32_t> priority_;
};

/// The hooks in the order in which they are registered.
///
/// default_hooks, custom_hooks  the values under these keys, or nullptr; marked as read.
/// by_epoch  how the training loop counts: the default of a checkpoint each is for epochs alone.
/// In `default_hooks`: a table without `type` goes over the default's keys, one with `type`
/// replaces it; `false` switches it off; a new key adds a hook. Errors: STRATA_E_CONFIG with the
/// place: no table, a new hook without `type`, `false` for an unknown name, a bad priority.
std::vector<HookSpec> hook_specs(const config::Value* default_hooks,
                                 const config::Value* custom_hooks,
                                 bool by_epoch);

}  // namespace strata::hooks
