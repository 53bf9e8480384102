// A second plugin with a type of the same name, and one that has a key called `plugin` itself.
#include "strata/cpp/hook.hpp"

namespace {

class MeanHook final : public strata::Hook {
 public:
  [[nodiscard]] uint64_t points() const override { return 7; }

  void on(int32_t, const strata::HookContext&) override {}
};

struct KeyedConfig {
  strata::Node plugin;
};

class KeyedHook final : public strata::Hook {
 public:
  explicit KeyedHook(const KeyedConfig& config)
      : points_(config.plugin.is_table() ? config.plugin.find("points").as_int()
                                         : config.plugin.as_text().size()) {}

  [[nodiscard]] uint64_t points() const override { return points_; }

  void on(int32_t, const strata::HookContext&) override {}

 private:
  uint64_t points_;
};

}  // namespace

STRATA_PLUGIN(strata::exported<MeanHook>("MeanHook"),
              strata::exported<KeyedHook, KeyedConfig>("KeyedHook")
                  .field("plugin", &KeyedConfig::plugin, "a text or a table"));
