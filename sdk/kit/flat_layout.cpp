// Layouts.
#include "strata/kit/flat_layout.hpp"

#include <algorithm>

namespace strata::kit {
namespace {

constexpr int64_t kAlign = 16;  // elements

int64_t aligned(int64_t elements) {
  return (elements + kAlign - 1) / kAlign * kAlign;
}

}  // namespace

FlatLayout lay_out(const ModelView& model, std::span<const int32_t> params, int32_t shards) {
  FlatLayout layout;
  layout.shards = shards;
  for (const int32_t id : params) {
    const int64_t offset = aligned(layout.used);
    const int64_t numel = model.params()[static_cast<size_t>(id)].numel;
    layout.slots.push_back({id, offset, numel});
    layout.used = offset + numel;
  }
  layout.shard = aligned((layout.used + shards - 1) / shards);
  return layout;
}

std::vector<strata_segment> segments_of_shard(const FlatLayout& layout, int32_t shard) {
  std::vector<strata_segment> out;
  const int64_t begin = shard * layout.shard;
  const int64_t end = begin + layout.shard;
  for (const Slot& slot : layout.slots) {
    const int64_t from = std::max(slot.offset, begin);
    const int64_t to = std::min(slot.offset + slot.numel, end);
    if (from < to) {
      out.push_back({from - begin, from - slot.offset, to - from, slot.param, 0});
    }
  }
  return out;
}

}  // namespace strata::kit
