// The strategy's optimizer views as the host keeps them, and how their segments lie over
// parameters.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "strata/abi/strategy.h"

#include "border/errors.hpp"

namespace strata::optim {

/// A strata_optim_view with its own copy of the segments.
struct View {
  strata_optim_view c{};  // c.segments points into nothing; use the vector
  std::vector<strata_segment> segments;
};

/// An index of the tables as one of a vector.
inline size_t index(int32_t i) {
  return static_cast<size_t>(i);
}

/// Collects what strategy.optim_views() puts.
class ViewSink {
 public:
  ViewSink() = default;
  ViewSink(const ViewSink&) = delete;
  ViewSink& operator=(const ViewSink&) = delete;

  [[nodiscard]] const strata_optim_view_sink* c() const { return &sink_; }

  [[nodiscard]] std::vector<View> take() { return std::move(views_); }

 private:
  static strata_rc put(void* ctx, const strata_optim_view* view);

  std::vector<View> views_;
  strata_optim_view_sink sink_{this, &ViewSink::put};
};

/// A parameter as the updater knows it.
struct ParamSlot {
  std::string name;
  int64_t numel = 0;
  int32_t group = 0;  // -1: frozen
};

/// One segment, found from its parameter.
struct SegmentRef {
  int32_t view;
  int32_t segment;
};

/// Per parameter its segments on this rank, by ascending parameter offset.
/// Errors: STRATA_E_ARGUMENT naming the parameter for segments out of order, overlapping, or
/// outside of their view or
///         parameter; the strategy made them.
std::vector<std::vector<SegmentRef>> index_segments(const std::vector<View>& views,
                                                    const std::vector<ParamSlot>& params);

/// Bytes of one element. Errors: STRATA_E_ARGUMENT for a type that optimizers do not take.
int64_t float_bytes(int32_t dtype);

}  // namespace strata::optim
