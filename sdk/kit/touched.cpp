// Agreement before an update.
#include "strata/kit/touched.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include "strata/cpp/params.hpp"

namespace strata::kit {
namespace {

// FNV-1a, folded to 30 bits so that its negative fits as well.
int32_t signature(std::span<const int32_t> uses) {
  uint32_t hash = 2166136261U;
  for (const int32_t unit : uses) {
    hash = (hash ^ static_cast<uint32_t>(unit)) * 16777619U;
  }
  return static_cast<int32_t>((hash ^ (hash >> 30U)) & 0x3FFFFFFFU);
}

std::string unit_at(const ModelView& model, std::span<const int32_t> uses, size_t place) {
  if (place >= uses.size()) {
    return "nothing more";
  }
  const auto name = view(model.units()[static_cast<size_t>(uses[place])].name);
  return text("unit \"", name.empty() ? "(root)" : name, '"');
}

// All ranks' uses, this one's padded with -1, in rows of one length.
std::vector<int32_t> gather_uses(const Group& world,
                                 std::span<const int32_t> uses,
                                 int64_t& length) {
  length = static_cast<int64_t>(uses.size());
  world.all_reduce(&length, 1, STRATA_I64, STRATA_MAX).wait();
  std::vector<int32_t> mine(uses.begin(), uses.end());
  mine.resize(static_cast<size_t>(length), -1);
  std::vector<int32_t> all(static_cast<size_t>(length) * static_cast<size_t>(world.size()));
  world.all_gather(mine.data(), all.data(), length, STRATA_I32).wait();
  return all;
}

[[noreturn]] void report_orders(const Group& world,
                                const ModelView& model,
                                std::span<const int32_t> uses) {
  int64_t length = 0;
  const std::vector<int32_t> all = gather_uses(world, uses, length);
  const auto row = [&](int32_t rank) {
    const std::span<const int32_t> whole(all.data() + rank * length, static_cast<size_t>(length));
    return whole.first(static_cast<size_t>(std::ranges::find(whole, -1) - whole.begin()));
  };
  for (int32_t rank = 1; rank < world.size(); ++rank) {
    const auto differ = std::ranges::mismatch(row(0), row(rank));
    const auto place = static_cast<size_t>(differ.in1 - row(0).begin());
    if (place < row(0).size() || place < row(rank).size()) {
      throw run_error("ranks run their units in different orders: use no. ",
                      place + 1,
                      " of this step is ",
                      unit_at(model, row(0), place),
                      " on rank 0 and ",
                      unit_at(model, row(rank), place),
                      " on rank ",
                      rank,
                      ". Sharded parameters are gathered by all ranks together, so the model's "
                      "control flow must "
                      "be one on all of them; put what depends on the data into one unit");
    }
  }
  throw run_error("ranks run their units in different orders");
}

}  // namespace

void agree_on_touched(strata_runtime* runtime,
                      const ModelView& model,
                      std::span<const int32_t> uses) {
  const Group world = Group::world(runtime);
  if (world.c() == nullptr || world.size() == 1) {
    return;
  }
  const Params params(runtime);
  const size_t n = model.params().size();
  std::vector<int32_t> agreed(n + 2);
  for (size_t i = 0; i < n; ++i) {
    agreed[i] = params.touched(static_cast<int32_t>(i)) ? 1 : 0;
  }
  agreed[n] = signature(uses);
  agreed[n + 1] = -agreed[n];
  world.all_reduce(agreed.data(), static_cast<int64_t>(agreed.size()), STRATA_I32, STRATA_MAX)
      .wait();
  if (agreed[n] != -agreed[n + 1]) {
    report_orders(world, model, uses);
  }
  for (size_t i = 0; i < n; ++i) {
    params.set_touched(static_cast<int32_t>(i), agreed[i] != 0);
  }
}

int64_t touched_bytes(const ModelView& model, int64_t world_size) {
  const auto bytes = static_cast<int64_t>((model.params().size() + 2) * sizeof(int32_t));
  return 2 * (world_size - 1) * bytes / world_size;
}

}  // namespace strata::kit
