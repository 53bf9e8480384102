// Which stretches of which views an update covers: made once, kept while the touched parameters
// stay the same.
#pragma once

#include <cstdint>
#include <vector>

#include "optim/views.hpp"

namespace strata::optim {

/// A stretch of a view whose elements share group and step count.
struct Stretch {
  int32_t view;
  int32_t param;  // its first; stands for the step count of all
  int32_t group;
  int64_t offset;  // elements into the view
  int64_t count;
};

/// The segments of touched parameters that have a group; join: neighbours with the same group and
/// step are one.
std::vector<Stretch> plan_chunks(const std::vector<View>& views,
                                 const std::vector<ParamSlot>& params,
                                 const std::vector<uint8_t>& touched,
                                 const std::vector<int64_t>& steps,
                                 bool join);

}  // namespace strata::optim
