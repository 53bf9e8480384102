// A second plugin with a type of the same name.
#include "strata/cpp/hook.hpp"

namespace {

class MeanHook final : public strata::Hook {
 public:
  [[nodiscard]] uint64_t points() const override { return 7; }

  void on(int32_t, const strata::HookContext&) override {}
};

}  // namespace

STRATA_PLUGIN(strata::exported<MeanHook>("MeanHook"));
