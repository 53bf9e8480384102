// Agreement on touched parameters.
#include "strata/kit/touched.hpp"

#include <vector>

#include "strata/cpp/params.hpp"

namespace strata::kit {

void agree_on_touched(strata_runtime* runtime, const ModelView& model) {
  const Group world = Group::world(runtime);
  if (world.c() == nullptr || world.size() == 1) {
    return;
  }
  const Params params(runtime);
  std::vector<int32_t> touched(model.params().size());
  for (size_t i = 0; i < touched.size(); ++i) {
    touched[i] = params.touched(static_cast<int32_t>(i)) ? 1 : 0;
  }
  world.all_reduce(touched.data(), static_cast<int64_t>(touched.size()), STRATA_I32, STRATA_MAX).wait();
  for (size_t i = 0; i < touched.size(); ++i) {
    params.set_touched(static_cast<int32_t>(i), touched[i] != 0);
  }
}

int64_t touched_bytes(const ModelView& model, int64_t world_size) {
  const auto bytes = static_cast<int64_t>(model.params().size() * sizeof(int32_t));
  return 2 * (world_size - 1) * bytes / world_size;
}

}  // namespace strata::kit
