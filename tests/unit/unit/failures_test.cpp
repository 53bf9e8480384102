// What goes wrong inside units: named, and nothing of it left behind.
#include <stdexcept>
#include <string>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "flat_strategy.hpp"
#include "harness.hpp"
#include "scenario.hpp"
#include "unit/model.hpp"

namespace strata::testing {
namespace {

struct Failing {
  [[nodiscard]] std::unique_ptr<ScenarioModel> model() const {
    return std::make_unique<ScenarioModel>(build, forward);
  }

  ScenarioModel::Build build;
  ScenarioModel::Forward forward;
};

at::Tensor some_input(uint64_t seed) {
  return at::randn({4, 6}, at::make_generator<at::CPUGeneratorImpl>(seed));
}

// What a forward and backward throw, as text; empty when they throw nothing.
std::string failure_of(Rank& rank) {
  try {
    rank.backward({{"x", some_input(0)}});
  } catch (const std::exception& e) {
    return e.what();
  }
  return {};
}

TEST(UnitFailures, ATensorEscapingBySidePathIsNamedWithParameterAndUnit) {
  const Failing s{linear_cells({{"a", lin}, {"b", lin}, {"c", lin}}),
                  [](ScenarioModel& m, const at::Tensor& x) {
                    return at::linear(m.cell("b")(m.cell("a")(x)), m.cell("c")->p("w")).sum();
                  }};
  Rank rank(s.model(), std::make_unique<FlatStrategy>());

  const std::string said = failure_of(rank);

  EXPECT_NE(said.find("parameter \"c.w\" of unit \"c\""), std::string::npos) << said;
}

TEST(UnitFailures, AUnitThatChangesItsInputCannotBeRecomputed) {
  const CellImpl::Forward on_input = [](CellImpl& c, const at::Tensor& x) {
    return lin(c, x.mul_(0.5));
  };
  const Failing s{linear_cells({{"a", lin}, {"b", on_input}, {"c", lin}}),
                  [](ScenarioModel& m, const at::Tensor& x) {
                    return m.cell("c")(m.cell("b")(m.cell("a")(x).clone())).sum();
                  }};
  Rank rank(s.model(), std::make_unique<FlatStrategy>());
  rank.model().set_recomputed({2});

  const std::string said = failure_of(rank);

  EXPECT_NE(said.find("changes its input in place"), std::string::npos) << said;
}

// Throws once, at the marked place; afterwards the run must equal one that never failed.
struct Bomb {
  bool armed = false;
};

void expect_recovery(const Failing& s, Bomb& bomb) {
  auto strategy = std::make_unique<FlatStrategy>();
  const FlatStrategy& flat = *strategy;
  Rank fresh(s.model(), std::make_unique<FlatStrategy>());
  Rank failing(s.model(), std::move(strategy));

  bomb.armed = true;
  EXPECT_THROW(failing.backward({{"x", some_input(3)}}), std::exception);
  failing.abort();
  bomb.armed = false;

  EXPECT_FALSE(flat.anything_resident());
  for (uint64_t i = 0; i < 3; ++i) {
    EXPECT_EQ(failing.step({{"x", some_input(i)}}, 0.1), fresh.step({{"x", some_input(i)}}, 0.1))
        << i;
  }
}

TEST(UnitFailures, AnExceptionInForwardLeavesNothingBehind) {
  Bomb bomb;
  const CellImpl::Forward explode = [&bomb](CellImpl& c, const at::Tensor& x) {
    at::Tensor y = lin(c, x);
    if (bomb.armed) {
      throw std::runtime_error("forward failed");
    }
    return y;
  };
  expect_recovery({linear_cells({{"a", lin}, {"b", explode}, {"c", lin}}), three}, bomb);
}

TEST(UnitFailures, AnExceptionInBackwardLeavesNothingBehind) {
  Bomb bomb;
  const CellImpl::Forward explode = [&bomb](CellImpl& c, const at::Tensor& x) {
    at::Tensor y = lin(c, x);
    y.register_hook([&bomb](const at::Tensor&) {
      if (bomb.armed) {
        throw std::runtime_error("backward failed");
      }
    });
    return y;
  };
  expect_recovery({linear_cells({{"a", lin}, {"b", explode}, {"c", lin}}), three}, bomb);
}

}  // namespace
}  // namespace strata::testing
