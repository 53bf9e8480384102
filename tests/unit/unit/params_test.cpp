// Gradients taken instead of bound, initial values written apart: what strategies do that keep no gradient buffer.
#include "strata/cpp/params.hpp"

#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "flat_strategy.hpp"
#include "harness.hpp"
#include "scenario.hpp"

namespace strata::testing {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;

constexpr int64_t kBytes = 4;

/// One buffer of values for the model; gradients are fetched when their unit is ready.
class TakingStrategy final : public Strategy {
 public:
  void estimate(const strata_estimate_args&, strata_estimate&) override {}

  void plan_units(const ModelView& model, std::span<strata_unit_plan> plan) override {
    model_ = model;
    std::ranges::for_each(plan,
                          [](strata_unit_plan& p) { p.events = STRATA_EVENT_UNIT_GRADS_READY; });
    for (const strata_param_desc& p : model.params()) {
      places_.push_back({end_, 0, p.numel, static_cast<int32_t>(places_.size()), 0});
      end_ += p.numel;
    }
  }

  void materialize(int32_t unit) override {
    if (!values_) {
      values_ = Buffer(runtime(), end_ * kBytes, STRATA_BUFFER_ZEROED, "param");
      grads_ = Buffer(runtime(), end_ * kBytes, STRATA_BUFFER_ZEROED, "grad");
    }
    for (const strata_segment& s : places_) {
      if (model_.params()[static_cast<size_t>(s.param)].unit == unit) {
        params().bind_view(s.param, values_, s.view_offset * kBytes, STRATA_F32);
      }
    }
    params().init_unit(unit);
  }

  void optim_views(const OptimViewSink& out) override {
    strata_optim_view view{};
    view.value = values_.c();
    view.grad = grads_.c();
    view.numel = end_;
    view.value_dtype = STRATA_F32;
    view.grad_dtype = STRATA_F32;
    view.segments = places_.data();
    view.n_segments = places_.size();
    out.put(view);
  }

  void unit_grads_ready(int32_t unit, int32_t, const strata_step_ctx&) override {
    for (const strata_segment& s : places_) {
      if (model_.params()[static_cast<size_t>(s.param)].unit == unit && adds) {
        const bool had =
            params().grad_take(s.param, grads_.data<float>() + s.view_offset, STRATA_F32, true);
        (had ? taken : missing).insert(s.param);
      }
    }
  }

  void bind_gradient(int32_t param) {
    const int64_t at = places_[static_cast<size_t>(param)].view_offset * kBytes;
    params().bind_grad_view(param, grads_, at, STRATA_F32);
  }

  [[nodiscard]] Params params() const { return Params(runtime()); }

  [[nodiscard]] const float* value(int32_t param) const {
    return values_.data<float>() + places_[static_cast<size_t>(param)].view_offset;
  }

  bool adds = true;  ///< false: leaves the gradients where they are
  std::set<int32_t> taken;
  std::set<int32_t> missing;

 private:
  ModelView model_;
  std::vector<strata_segment> places_;
  int64_t end_ = 0;
  Buffer values_;
  Buffer grads_;
};

at::Tensor linear(CellImpl& c, const at::Tensor& x) {
  return at::linear(x, c.p("w"), c.p("b"));
}

void build(ScenarioModel& m) {
  m.add("a", {{"w", {6, 6}}, {"b", {6}}, {"spare", {3}}}, linear);
  m.add("b", {{"w", {6, 6}}, {"b", {6}}}, linear);
}

// The second unit runs twice, so its gradients come from two places.
at::Tensor run(ScenarioModel& m, at::Tensor x) {
  const at::Tensor once = at::tanh(m.cell("b")(at::tanh(m.cell("a")(std::move(x)))));
  return m.cell("b")(once).pow(2).mean();
}

std::vector<std::pair<std::string, at::Tensor>> batch() {
  return {{"x", at::randn({4, 6}, at::make_generator<at::CPUGeneratorImpl>(11))}};
}

struct Taking {
  TakingStrategy* strategy = nullptr;  // the rank's
  std::unique_ptr<Rank> rank;

  Taking() {
    auto made = std::make_unique<TakingStrategy>();
    strategy = made.get();
    rank = std::make_unique<Rank>(std::make_unique<ScenarioModel>(&build, &run), std::move(made));
  }

  int32_t id(const std::string& name) {
    for (int32_t i = 0;; ++i) {
      if (rank->model().param(i).name == name) {
        return i;
      }
    }
  }

  at::Tensor own_gradient(int32_t id) { return rank->model().param(id).tensor.grad(); }
};

TEST(TakenGradients, EqualBoundOnesToTheBit) {
  Taking t;
  Rank bound(std::make_unique<ScenarioModel>(&build, &run), std::make_unique<FlatStrategy>());

  EXPECT_EQ(t.rank->backward(batch()), bound.backward(batch()));

  for (const char* name : {"a.w", "a.b", "b.w", "b.b"}) {
    EXPECT_TRUE(at::equal(t.rank->gradient(name), bound.gradient(name))) << name;
    EXPECT_TRUE(t.strategy->taken.contains(t.id(name))) << name;
    EXPECT_FALSE(t.own_gradient(t.id(name)).defined()) << name << " still holds what was taken";
  }
}

TEST(TakenGradients, AreAddedToWhatEarlierBackwardsLeft) {
  Taking t;
  t.rank->backward(batch());
  const at::Tensor once = t.rank->gradient("b.w").clone();

  t.rank->backward(batch());

  EXPECT_TRUE(at::equal(t.rank->gradient("b.w"), once * 2));
}

TEST(TakenGradients, OfAParameterThatBackwardDidNotReachAreMissing) {
  Taking t;
  t.rank->backward(batch());

  const int32_t spare = t.id("a.spare");
  EXPECT_TRUE(t.strategy->missing.contains(spare));
  EXPECT_FALSE(t.strategy->params().touched(spare));
  std::vector<float> dst(3, 5.F);
  EXPECT_FALSE(t.strategy->params().grad_take(spare, dst.data(), STRATA_F32, false));
  EXPECT_THAT(dst, Each(5.F));
}

TEST(TakenGradients, AreCastToTheTypeAskedFor) {
  Taking t;
  t.strategy->adds = false;
  t.rank->backward(batch());
  const int32_t id = t.id("a.b");
  const at::Tensor expected = t.own_gradient(id).to(at::kBFloat16);
  const at::Tensor got = at::full({6}, 7.0, at::kBFloat16);

  EXPECT_TRUE(t.strategy->params().grad_take(id, got.mutable_data_ptr(), STRATA_BF16, false));

  EXPECT_TRUE(at::equal(got, expected)) << got << expected;
}

TEST(TakenGradients, AreRefusedForAParameterWhoseGradientIsBound) {
  Taking t;
  t.strategy->adds = false;
  const int32_t id = t.id("a.b");
  t.strategy->bind_gradient(id);
  t.rank->backward(batch());
  std::vector<float> dst(6);

  try {
    static_cast<void>(t.strategy->params().grad_take(id, dst.data(), STRATA_F32, false));
    FAIL() << "taken";
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), HasSubstr("grad_take of parameter \"a.b\" of unit \"a\""));
  }
}

TEST(TouchedParameters, AreAsTheStrategySaysLast) {
  Taking t;
  t.rank->backward(batch());
  const Params params = t.strategy->params();
  EXPECT_TRUE(params.touched(t.id("a.w")));

  params.set_touched(t.id("a.w"), false);
  params.set_touched(t.id("a.spare"), true);

  EXPECT_FALSE(params.touched(t.id("a.w")));
  EXPECT_TRUE(params.touched(t.id("a.spare")));
}

TEST(InitialValues, OfOneParameterAreThoseOfItsUnit) {
  const Taking t;
  std::vector<float> got(36, 9.F);

  t.strategy->params().init_param(0, got.data(), STRATA_F32);

  EXPECT_THAT(got, ::testing::ElementsAreArray(t.strategy->value(0), 36));
}

TEST(InitialValues, OfASliceAreThoseOfTheParameter) {
  const Taking t;
  std::vector<float> got(10, 9.F);

  t.strategy->params().init_slice(0, 7, 10, got.data(), STRATA_F32);

  EXPECT_THAT(got, ::testing::ElementsAreArray(t.strategy->value(0) + 7, 10));
}

TEST(InitialValues, OfASliceTakeMemoryForOneParameterWhileTheyAreDrawn) {
  Taking t;
  unit::Memory& memory = t.rank->memory();
  memory.reset_peak();
  const int64_t before = memory.total().now;
  std::vector<float> got(10);

  t.strategy->params().init_slice(0, 7, 10, got.data(), STRATA_F32);

  EXPECT_EQ(memory.total().now, before);
  EXPECT_EQ(memory.total().peak, before + 36 * kBytes);
}

TEST(InitialValues, OfASliceBeyondTheParameterAreRefused) {
  const Taking t;
  std::vector<float> got(10);
  const auto ask = [&](int64_t offset, int64_t count) {
    try {
      t.strategy->params().init_slice(0, offset, count, got.data(), STRATA_F32);
      return std::string("given");
    } catch (const Error& e) {
      return std::string(e.what());
    }
  };

  EXPECT_THAT(ask(30, 7), HasSubstr("7 elements from 30 on of parameter \"a.w\", which has 36"));
  EXPECT_THAT(ask(-1, 2), HasSubstr("2 elements from -1 on"));
  EXPECT_THAT(ask(1, -1), HasSubstr("-1 elements from 1 on"));
}

// A place of stored values that remembers what it was asked for. Element k of everything is k.
struct Stored {
  std::set<std::string> whole;
  std::vector<std::pair<int64_t, int64_t>> slices;  // offset, count

  unit::ValueSource source() {
    return {[this](const std::string& name, const at::Tensor& out) {
              whole.insert(name);
              out.copy_(at::arange(out.numel()).view(out.sizes()));
              return true;
            },
            [this](const std::string&, at::IntArrayRef, int64_t offset, const at::Tensor& out) {
              slices.emplace_back(offset, out.numel());
              out.copy_(at::arange(offset, offset + out.numel()));
              return true;
            }};
  }
};

TEST(StoredValues, AreReadAsMuchOfAsASliceHas) {
  Taking t;
  Stored stored;
  t.rank->model().set_source(stored.source());
  std::vector<float> got(4);

  t.strategy->params().init_slice(0, 7, 4, got.data(), STRATA_F32);

  EXPECT_THAT(got, ::testing::ElementsAre(7.F, 8.F, 9.F, 10.F));
  EXPECT_THAT(stored.slices, ::testing::ElementsAre(std::pair(7, 4)));
  EXPECT_THAT(stored.whole, ::testing::IsEmpty());
}

TEST(StoredValues, OfAParameterInAnotherMemoryOrderAreCutFromTheWhole) {
  Taking t;
  Stored stored;
  t.rank->model().set_source(stored.source());
  const at::Tensor& w = t.rank->model().param(0).tensor;
  w.set_data(w.detach().t().contiguous().t());  // 6 x 6, column after column
  std::vector<float> got(3);

  t.strategy->params().init_slice(0, 5, 3, got.data(), STRATA_F32);

  EXPECT_THAT(got, ::testing::ElementsAre(30.F, 1.F, 7.F));
  EXPECT_THAT(stored.whole, ::testing::ElementsAre("a.w"));
}

}  // namespace
}  // namespace strata::testing
