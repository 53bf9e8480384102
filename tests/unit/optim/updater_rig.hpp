// An Updater over three small parameters.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "error_of.hpp"
#include "fakes.hpp"

namespace strata::test {

/// Three parameters of 4, 3 and 2 elements in one view, with a gap of padding before the last.
struct Rig {
  explicit Rig(std::vector<int32_t> groups = {0, 0, 0},
               std::vector<std::vector<double>> hypers = {{0.5}}) {
    params = {{"a", 4, groups[0]}, {"b", 3, groups[1]}, {"c", 2, groups[2]}};
    table = std::move(hypers);
  }

  optim::Updater& updater() {
    if (!made) {
      optim::UpdaterParts parts{{view.view},
                                params,
                                optimizer.object(),
                                optim::HyperTable({{"lr", 0.5, STRATA_HYPER_LR}}, table),
                                strategy,
                                buffers};
      made = std::make_unique<optim::Updater>(
          std::move(parts), optim::Services{&fake_memory(), &fake_params(), &fake_comm(), &rt});
      rt.update = made.get();
    }
    return *made;
  }

  /// What the service puts for a state, as texts; `last` is the last one's data.
  std::vector<std::string> stretches(std::string_view state) {
    struct Heard {
      Rig* rig;
      std::vector<std::string> texts;
    } heard{this, {}};

    const strata_stretch_sink sink = {
        &heard, [](void* ctx, const strata_stretch* s) {
          auto* const to = static_cast<Heard*>(ctx);
          to->rig->last = s->data;
          to->texts.push_back(
              text(border::view(s->name), " ", s->offset, "+", s->count, " of ", s->param));
          return strata_rc{STRATA_OK};
        }};
    EXPECT_EQ(optim::update_service()->stretches(&rt, border::view(state), &sink), STRATA_OK);
    return heard.texts;
  }

  FakeRuntime rt;
  FakeOptimizer optimizer;
  FakeView view{{segment(0, 0, 4, 0), segment(4, 0, 3, 1), segment(8, 0, 2, 2)}};
  std::vector<optim::ParamSlot> params;
  std::vector<std::vector<double>> table;
  const border::Object<strata_strategy_api>* strategy = nullptr;
  std::function<std::vector<optim::BufferSlot>()> buffers;
  const void* last = nullptr;
  std::unique_ptr<optim::Updater> made;
};

inline std::vector<std::pair<int64_t, int64_t>> count_and_step(
    const std::vector<strata_optim_chunk>& chunks) {
  std::vector<std::pair<int64_t, int64_t>> out;
  out.reserve(chunks.size());
  for (const strata_optim_chunk& c : chunks) {
    out.emplace_back(c.count, c.step);
  }
  return out;
}

}  // namespace strata::test
