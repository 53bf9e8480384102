// Scheduler plugins over the hyper-parameters of an optimizer.
#pragma once

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "strata/abi/services.h"

#include "optim/schedulers.hpp"
#include "optim_host.hpp"

namespace strata::test {

inline constexpr optim::RunLength kTenEpochs{true, 10, 50, 5};
inline constexpr optim::RunLength kTenIters{false, 0, 10, 5};

/// Schedulers over the hyper-parameters of Adam, with a base of 1 unless said otherwise.
struct Training {
  explicit Training(const std::string& toml,
                    const optim::RunLength& length = kTenEpochs,
                    double lr = 1)
      : table(adam_hypers(lr), {{lr, 0.01, 0.9, 0.999}}),
        config(config::parse_toml(toml, "test.toml")),
        schedulers(config.child("param_scheduler"), factory(), table, length) {}

  static std::vector<optim::Hyper> adam_hypers(double lr) {
    return {{"lr", lr, STRATA_HYPER_LR},
            {"weight_decay", 0.01, STRATA_HYPER_DECAY},
            {"beta1", 0.9, STRATA_HYPER_MOMENTUM},
            {"beta2", 0.999, 0}};
  }

  optim::SchedulerFactory factory() {
    return [this](const config::Value& one) {
      return plugin.create<strata_param_scheduler_api>(one.get<std::string>("type"), one);
    };
  }

  /// The value at step 0 and after each of n - 1 steps.
  std::vector<double> values(int n,
                             int32_t when = STRATA_AFTER_EPOCH,
                             const std::string& name = "lr") {
    std::vector<double> out = {*table.value(name)};
    for (int i = 1; i < n; ++i) {
      schedulers.step(when);
      out.push_back(*table.value(name));
    }
    return out;
  }

  OptimPlugin plugin{"param_scheduler_standard"};
  optim::HyperTable table;
  config::Value config;
  optim::Schedulers schedulers;
};

inline void expect_near(const std::vector<double>& found,
                        const std::vector<double>& wanted,
                        double tolerance = 5e-6) {
  ASSERT_EQ(found.size(), wanted.size());
  for (size_t i = 0; i < found.size(); ++i) {
    EXPECT_NEAR(found[i], wanted[i], tolerance) << "step " << i;
  }
}

inline std::string scheduler(const std::string& type, const std::string& keys = {}) {
  return "[param_scheduler]\ntype = \"" + type + "\"\n" + keys;
}

}  // namespace strata::test
