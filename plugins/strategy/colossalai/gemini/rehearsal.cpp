// Plays the events of one iteration.
#include "rehearsal.hpp"

#include <algorithm>

#include "placement.hpp"

namespace strata::colossalai {
namespace {

struct Event {
  int32_t unit;
  bool enters;
  bool backward;
};

class Script {
 public:
  explicit Script(const ModelView& model) : children_(model.units().size()) {
    for (size_t u = 1; u < children_.size(); ++u) {
      children_[static_cast<size_t>(model.units()[u].parent)].push_back(static_cast<int32_t>(u));
    }
    run(0, false);
    run(0, true);
  }

  [[nodiscard]] const std::vector<Event>& events() const { return events_; }

 private:
  void run(int32_t unit, bool backward) {
    events_.push_back({unit, true, backward});
    std::vector<int32_t>& inner = children_[static_cast<size_t>(unit)];
    for (const int32_t child : inner) {
      run(child, backward);
    }
    std::ranges::reverse(inner);  // backward comes next
    events_.push_back({unit, false, backward});
  }

  std::vector<std::vector<int32_t>> children_;
  std::vector<Event> events_;
};

class Stage {
 public:
  Stage(const ChunkPlan& plan, std::span<const int64_t> bytes, int64_t may_stay)
      : plan_(plan), bytes_(bytes), may_stay_(may_stay), states_(bytes.size()) {
    out_.gathers.assign(bytes.size(), 0);
    for (size_t c = 0; c < bytes.size(); ++c) {
      states_[c].waits = static_cast<int32_t>(plan.chunks[c].units.size());
    }
  }

  Rehearsed play(const std::vector<Event>& events) {
    for (size_t i = 0; i < events.size(); ++i) {
      const Event& e = events[i];
      if (e.enters) {
        enter(events, i);
      } else {
        leave(e);
      }
    }
    return out_;
  }

 private:
  struct State {
    bool whole = false;
    int32_t users = 0;
    int32_t waits = 0;
  };

  [[nodiscard]] const std::vector<int32_t>& needs(int32_t unit) const {
    return plan_.units[static_cast<size_t>(unit)].chunks;
  }

  void enter(const std::vector<Event>& events, size_t now) {
    if (needs(events[now].unit).empty()) {
      return;
    }
    for (const int32_t id : needs(events[now].unit)) {
      ++states_[static_cast<size_t>(id)].users;
    }
    for (const int32_t id : choose_evictions(idle(events, now), may_stay_)) {
      states_[static_cast<size_t>(id)].whole = false;
    }
    for (const int32_t id : needs(events[now].unit)) {
      State& state = states_[static_cast<size_t>(id)];
      out_.gathers[static_cast<size_t>(id)] += state.whole ? 0 : 1;
      state.whole = true;
    }
    note_peak();
  }

  void leave(const Event& e) {
    for (const int32_t id : needs(e.unit)) {
      State& state = states_[static_cast<size_t>(id)];
      --state.users;
      const auto& owners = plan_.chunks[static_cast<size_t>(id)].units;
      if (e.backward && std::ranges::find(owners, e.unit) != owners.end() && --state.waits == 0) {
        state.whole = false;
      }
    }
  }

  [[nodiscard]] std::vector<Held> idle(const std::vector<Event>& events, size_t now) const {
    std::vector<Held> out;
    for (size_t c = 0; c < states_.size(); ++c) {
      const auto id = static_cast<int32_t>(c);
      if (states_[c].whole && states_[c].users == 0 &&
          states_[c].waits == static_cast<int32_t>(plan_.chunks[c].units.size())) {
        const auto next = std::find_if(
            events.begin() + static_cast<std::ptrdiff_t>(now), events.end(), [&](const Event& e) {
              return e.enters && std::ranges::find(needs(e.unit), id) != needs(e.unit).end();
            });
        out.push_back({id, bytes_[c], static_cast<size_t>(next - events.begin()), 0});
      }
    }
    return out;
  }

  void note_peak() {
    int64_t sum = 0;
    for (size_t c = 0; c < states_.size(); ++c) {
      sum += states_[c].whole ? bytes_[c] : 0;
    }
    out_.peak = std::max(out_.peak, sum);
  }

  const ChunkPlan& plan_;
  std::span<const int64_t> bytes_;
  int64_t may_stay_;
  std::vector<State> states_;
  Rehearsed out_;
};

}  // namespace

Rehearsed rehearse(const ModelView& model,
                   const ChunkPlan& plan,
                   std::span<const int64_t> bytes,
                   int64_t may_stay) {
  return Stage(plan, bytes, may_stay).play(Script(model).events());
}

}  // namespace strata::colossalai
