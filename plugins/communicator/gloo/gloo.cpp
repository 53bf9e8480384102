// Communicator "gloo": CPU ranks on any machines, over LibTorch's Gloo.
#include <memory>

#include "strata/cpp/communicator.hpp"

#include "gloo_group.hpp"

namespace {

struct GlooConfig {
  bool check_calls = true;
};

class Gloo final : public strata::Communicator {
 public:
  explicit Gloo(const GlooConfig& config) : config_(config) {}

  [[nodiscard]] strata_communicator_caps describe() const override {
    return {STRATA_HDR(strata_communicator_caps), 1U << STRATA_CPU, 0, 0, 0};
  }

  std::unique_ptr<strata::CommGroup> group_new(const strata_group_args& args) override {
    return std::make_unique<gloo_backend::GlooGroup>(args, config_.check_calls);
  }

 private:
  GlooConfig config_;
};

}  // namespace

STRATA_PLUGIN(
    strata::exported<Gloo, GlooConfig>("gloo")
        .doc("CPU ranks on any machines, over Gloo")
        .field("check_calls",
               &GlooConfig::check_calls,
               "compare the ranks' calls before each collective: a mismatch is named instead of "
               "waited for"));
