// Base class of hooks.
#pragma once

#include <span>

#include "strata/cpp/plugin.hpp"

namespace strata {

/// MMEngine's priorities: lower runs first, equal keeps the order of registration.
enum Priority : int32_t {
  kHighest = 0,
  kVeryHigh = 10,
  kHigh = 30,
  kAboveNormal = 40,
  kNormal = 50,
  kBelowNormal = 60,
  kLow = 70,
  kVeryLow = 90,
  kLowest = 100
};

/// What a point hands over; spans are valid until the call returns.
struct STRATA_HIDDEN HookContext {
  const strata_hook_ctx* c;

  [[nodiscard]] int64_t batch_idx() const { return c->batch_idx; }

  [[nodiscard]] int64_t batch_size() const { return c->batch_size; }

  [[nodiscard]] std::string_view checkpoint() const { return view(c->checkpoint); }

  [[nodiscard]] std::span<const strata_named_number> numbers() const {
    return {c->numbers, c->n_numbers};
  }
};

/// Runs at the points of a run. All calls [main], on every rank.
class STRATA_HIDDEN Hook : public Component {
 public:
  using KindBase = Hook;

  /// Bits `1 << STRATA_POINT_*` of the points on() is called for.
  [[nodiscard]] virtual uint64_t points() const = 0;

  /// The class's own priority; a `priority` key in the config wins.
  [[nodiscard]] virtual int32_t priority() const { return kNormal; }

  virtual void on(int32_t point, const HookContext& context) = 0;

  /// JSON for the checkpoint, or nothing.
  virtual std::string save() { return {}; }

  virtual void load(std::string_view) {}

  /// The hook's state (Updates::add_state) whose stored values stand for the weights when a checkpoint is loaded without
  /// being resumed; nothing: the weights themselves. Valid as long as the hook.
  [[nodiscard]] virtual std::string_view weights_state() const { return {}; }

  /// One that overrides it asks this one as well.
  const void* get_extension(std::string_view id) override;

 protected:
  [[nodiscard]] strata_progress progress() const {
    strata_progress out = {};
    out.h = STRATA_HDR(strata_progress);
    check(service<strata_runner_api>().progress(runtime(), &out));
    return out;
  }

  [[nodiscard]] static const strata_runner_api& run() { return service<strata_runner_api>(); }

  [[nodiscard]] static const strata_hub_api& hub() { return service<strata_hub_api>(); }

  // MMEngine's conditions, for the after_* points, where the counters have not grown yet. n <= 0 is never.

  /// The n-th, 2n-th, … epoch counted from `start`.
  [[nodiscard]] static bool every_n_epochs(const strata_progress& p, int64_t n, int64_t start = 0) {
    return every_n(p.epoch + 1 - start, n);
  }

  /// The same for iterations of the whole run.
  [[nodiscard]] static bool every_n_train_iters(const strata_progress& p,
                                                int64_t n,
                                                int64_t start = 0) {
    return every_n(p.iter + 1 - start, n);
  }

  [[nodiscard]] static bool every_n_inner_iters(int64_t batch_idx, int64_t n) {
    return every_n(batch_idx + 1, n);
  }

  [[nodiscard]] static bool is_last_train_epoch(const strata_progress& p) {
    return p.epoch + 1 == p.max_epochs;
  }

  [[nodiscard]] static bool is_last_train_iter(const strata_progress& p) {
    return p.iter + 1 == p.max_iters;
  }

  /// The last iteration of an epoch; in an iteration loop that of the run.
  [[nodiscard]] static bool is_last_of_loop(const strata_progress& p) {
    return p.by_epoch != 0 || p.mode != STRATA_MODE_TRAIN ? p.inner_iter + 1 == p.loop_length
                                                          : is_last_train_iter(p);
  }

 private:
  static bool every_n(int64_t count, int64_t n) { return n > 0 && count >= 0 && count % n == 0; }
};

namespace detail {

struct STRATA_HIDDEN HookThunks {
  static Hook& self(void* p) { return *static_cast<Hook*>(p); }

  static strata_rc describe(void* p, strata_hook_desc* out) {
    return guarded(
        [&] { *out = {STRATA_HDR(strata_hook_desc), self(p).points(), self(p).priority(), 0}; });
  }

  static strata_rc on(void* p, int32_t point, const strata_hook_ctx* ctx) {
    return guarded([&] { self(p).on(point, HookContext{ctx}); });
  }

  static strata_rc save(void* p, const strata_text_sink* out) {
    return guarded([&] { check(out->put(out->ctx, view(std::string_view(self(p).save())))); });
  }

  static strata_rc load(void* p, strata_str json) {
    return guarded([&] { self(p).load(view(json)); });
  }
};

template <>
struct KindOf<Hook> {
  static constexpr const char* kName = STRATA_KIND_HOOK;

  static const void* table() {
    static const strata_hook_api api = {ObjectThunks<Hook>::head<strata_hook_api>(),
                                        &HookThunks::describe,
                                        &HookThunks::on,
                                        &HookThunks::save,
                                        &HookThunks::load};
    return &api;
  }
};

}  // namespace detail

inline const void* Hook::get_extension(std::string_view id) {
  static const strata_hook_weights_api weights = {
      STRATA_HDR(strata_hook_weights_api),
      [](void* self) { return view(static_cast<Hook*>(self)->weights_state()); }};
  return id == STRATA_EXT_HOOK_WEIGHTS ? &weights : nullptr;
}

}  // namespace strata
