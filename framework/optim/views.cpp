// Optimizer views.
#include "optim/views.hpp"

#include <algorithm>

#include "strata/cpp/dtype.hpp"

namespace strata::optim {
namespace {

void check_segment(const View& view,
                   const strata_segment& s,
                   const std::vector<ParamSlot>& params,
                   int64_t free_from) {
  if (s.param < 0 || static_cast<size_t>(s.param) >= params.size()) {
    throw Error(STRATA_E_ARGUMENT,
                text("the strategy gave an optimizer view of parameter ",
                     s.param,
                     ", there are ",
                     params.size()));
  }
  const ParamSlot& p = params[static_cast<size_t>(s.param)];
  const bool in_view =
      s.view_offset >= free_from && s.count >= 0 && s.view_offset + s.count <= view.c.numel;
  const bool in_param = s.param_offset >= 0 && s.param_offset + s.count <= p.numel;
  if (!in_view || !in_param) {
    throw Error(STRATA_E_ARGUMENT,
                text("the strategy's optimizer view of ",
                     view.c.numel,
                     " elements holds elements ",
                     s.param_offset,
                     " to ",
                     s.param_offset + s.count,
                     " of ",
                     p.name,
                     " (",
                     p.numel,
                     ") at ",
                     s.view_offset,
                     ", which lie outside of it or overlap the segment before"));
  }
}

}  // namespace

strata_rc ViewSink::put(void* ctx, const strata_optim_view* view) {
  return border::guarded([&] {
    View copy{*view,
              std::vector<strata_segment>(view->segments, view->segments + view->n_segments)};
    copy.c.segments = nullptr;
    copy.c.n_segments = 0;
    static_cast<ViewSink*>(ctx)->views_.push_back(std::move(copy));
  });
}

std::vector<std::vector<SegmentRef>> index_segments(const std::vector<View>& views,
                                                    const std::vector<ParamSlot>& params) {
  std::vector<std::vector<SegmentRef>> out(params.size());
  for (size_t v = 0; v < views.size(); ++v) {
    int64_t free_from = 0;
    for (size_t i = 0; i < views[v].segments.size(); ++i) {
      const strata_segment& s = views[v].segments[i];
      check_segment(views[v], s, params, free_from);
      free_from = s.view_offset + s.count;
      out[static_cast<size_t>(s.param)].push_back(
          {static_cast<int32_t>(v), static_cast<int32_t>(i)});
    }
  }
  const auto begins = [&](const SegmentRef& r) {
    return views[static_cast<size_t>(r.view)].segments[static_cast<size_t>(r.segment)].param_offset;
  };
  for (auto& refs : out) {
    std::ranges::stable_sort(
        refs, [&](const SegmentRef& a, const SegmentRef& b) { return begins(a) < begins(b); });
  }
  return out;
}

int64_t float_bytes(int32_t dtype) {
  switch (dtype) {
    case STRATA_F16:
    case STRATA_BF16:
    case STRATA_F32:
    case STRATA_F64:
      return size_of(dtype);
    default:
      throw Error(STRATA_E_ARGUMENT,
                  text("the strategy gave an optimizer view of element type ",
                       dtype,
                       "; optimizers take f16, bf16, f32 and f64"));
  }
}

}  // namespace strata::optim
