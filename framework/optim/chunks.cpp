// Plans the chunks of an update.
#include "optim/chunks.hpp"

namespace strata::optim {

std::vector<Stretch> plan_chunks(const std::vector<View>& views,
                                 const std::vector<ParamSlot>& params,
                                 const std::vector<uint8_t>& touched,
                                 const std::vector<int64_t>& steps,
                                 bool join) {
  std::vector<Stretch> out;
  for (size_t v = 0; v < views.size(); ++v) {
    for (const strata_segment& s : views[v].segments) {
      const auto p = static_cast<size_t>(s.param);
      if (touched[p] == 0 || params[p].group < 0 || s.count == 0) {
        continue;
      }
      Stretch* const last = out.empty() ? nullptr : &out.back();
      const bool joins = join && last != nullptr && last->view == static_cast<int32_t>(v) &&
                         last->offset + last->count == s.view_offset &&
                         last->group == params[p].group &&
                         steps[static_cast<size_t>(last->param)] == steps[p];
      if (joins) {
        last->count += s.count;
      } else {
        out.push_back({static_cast<int32_t>(v), s.param, params[p].group, s.view_offset, s.count});
      }
    }
  }
  return out;
}

}  // namespace strata::optim
