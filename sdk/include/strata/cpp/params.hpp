// Parameters by number, as plan_units() describes them: where they live, their gradients, their first values.
#pragma once

#include <cstdint>

#include "strata/cpp/memory.hpp"

namespace strata {

/// A view of the host's parameters; cheap to copy. What each call asks for: strata_param_api.
/// Thread   [main] and [autograd].
/// Errors   strata::Error with the host's code and words.
class STRATA_HIDDEN Params {
 public:
  Params() = default;

  explicit Params(strata_runtime* rt) : rt_(rt) {}

  /// Makes the parameter live in the buffer from now on, laid out as described. Once per parameter.
  /// byte_offset: of the buffer. keep: STRATA_BIND_*; KEEP copies the present value there.
  void bind_view(int32_t param,
                 const Buffer& buffer,
                 int64_t byte_offset,
                 int32_t dtype,
                 int32_t keep = STRATA_BIND_DISCARD) const {
    check(api().bind_view(rt_, param, buffer.c(), byte_offset, dtype, nullptr, keep));
  }

  /// Makes backward add the parameter's gradient to the buffer in place. Once per parameter.
  void bind_grad_view(int32_t param,
                      const Buffer& buffer,
                      int64_t byte_offset,
                      int32_t dtype) const {
    check(api().bind_grad_view(rt_, param, buffer.c(), byte_offset, dtype));
  }

  /// Moves the gradient, cast to dtype, to dst (numel elements) and drops it; accumulate: adds it there.
  /// Returns false, and leaves dst alone, when backward gave none. For parameters without a bound gradient.
  [[nodiscard]] bool grad_take(int32_t param, void* dst, int32_t dtype, bool accumulate) const {
    int32_t had = 0;
    check(api().grad_take(rt_, param, dst, dtype, accumulate ? 1 : 0, &had));
    return had != 0;
  }

  /// Whether backward reached the parameter since the last zero_grad, or set_touched() said so.
  [[nodiscard]] bool touched(int32_t param) const {
    int32_t out = 0;
    check(api().touched(rt_, param, &out));
    return out != 0;
  }

  void set_touched(int32_t param, bool touched) const {
    check(api().set_touched(rt_, param, touched ? 1 : 0));
  }

  /// Fills what the unit owns with its first values, or with those of load_from. Its parameters are bound and
  /// resident. In materialize().
  void init_unit(int32_t unit) const { check(api().init_unit(rt_, unit)); }

  /// The same for one parameter, written to dst (numel elements of dtype) and nowhere else.
  void init_param(int32_t param, void* dst, int32_t dtype) const {
    check(api().init_param(rt_, param, dst, dtype));
  }

  /// init_param() for elements [offset, offset + count) of the parameter as its memory lies, written to dst and
  /// nowhere else.
  void init_slice(int32_t param, int64_t offset, int64_t count, void* dst, int32_t dtype) const {
    check(api().init_slice(rt_, param, offset, count, dst, dtype));
  }

  /// The unit's buffers alone, for units filled by init_param() or init_slice(). In materialize().
  void init_buffers(int32_t unit) const { check(api().init_buffers(rt_, unit)); }

  /// Casts the unit's floating-point buffers for the rest of the run. After init_buffers().
  void cast_buffers(int32_t unit, int32_t dtype) const {
    check(api().cast_buffers(rt_, unit, dtype));
  }

 private:
  static const strata_param_api& api() { return service<strata_param_api>(); }

  strata_runtime* rt_ = nullptr;
};

}  // namespace strata
