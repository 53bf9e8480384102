// Who must go, and where things lie.
#include <algorithm>
#include <numeric>

#include "chunks.hpp"

namespace strata::colossalai {
namespace {

bool contains(std::span<const int32_t> list, int32_t value) {
  return std::ranges::find(list, value) != list.end();
}

}  // namespace

std::vector<int64_t> Chunks::whole_bytes() const {
  std::vector<int64_t> out;
  out.reserve(plan_->chunks.size());
  for (const PlannedChunk& chunk : plan_->chunks) {
    out.push_back(kit::lay_out(model_, chunk.params, mesh_->shards()).numel() *
                  size_of(chunk.value_dtype));
  }
  return out;
}

Chunks::Places Chunks::place_statically() {
  const std::vector<int64_t> bytes = whole_bytes();
  const auto total = std::accumulate(bytes.begin(), bytes.end(), int64_t{0});
  const double stays = plan_->keep_gathered ? 1 : 1 - config_->shard_param_frac;
  may_stay_ = static_cast<int64_t>(static_cast<double>(total) * stays);
  return {place_fraction(bytes, config_->offload_param_frac),
          place_fraction(bytes, config_->offload_optim_frac)};
}

// Values begin on the device as far as the first iteration lets them; masters, gradients and states on the host.
Chunks::Places Chunks::begin_automatically() const {
  int64_t left = budget_.for_model(false);
  Places out;
  for (const int64_t bytes : whole_bytes()) {
    left -= bytes / mesh_->shards();
    out.home.push_back(left >= 0 ? Pool::kDevice : Pool::kHost);
    out.optim.push_back(Pool::kHost);
  }
  return out;
}

size_t Chunks::next_use(int32_t chunk) const {
  const auto upcoming = order_.upcoming();
  for (size_t i = 0; i < upcoming.size(); ++i) {
    if (contains(needs(upcoming[i]), chunk)) {
      return i;
    }
  }
  return std::numeric_limits<size_t>::max();
}

// What was brought ahead waits for its use; a rank that is alone would only copy what it has.
int64_t Chunks::bytes_freed_by(int32_t id) const {
  const Chunk& chunk = chunks_[static_cast<size_t>(id)];
  const bool on_device = chunk.home() == Pool::kDevice;
  if (config_->auto_placement) {
    return chunk.whole_bytes() + (on_device && chunk.at_home() ? chunk.shard_bytes() : 0);
  }
  const bool stays = ahead_[static_cast<size_t>(id)] != 0 || (mesh_->shards() == 1 && on_device);
  return stays ? 0 : chunk.whole_bytes();
}

// Whole chunks that hold values and that nobody needs now.
std::vector<Held> Chunks::held(std::span<const int32_t> wanted) const {
  std::vector<Held> out;
  for (size_t i = 0; i < chunks_.size(); ++i) {
    const Chunk& chunk = chunks_[i];
    const auto id = static_cast<int32_t>(i);
    if (!chunk.whole() || chunk.holds_gradients() || chunk.reducing() || is_active(id) ||
        contains(wanted, id)) {
      continue;
    }
    out.push_back({id, bytes_freed_by(id), next_use(id), last_use_[i]});
  }
  return out;
}

void Chunks::evict(std::span<const Held> held, int64_t allowed) {
  for (const int32_t id : choose_evictions({held.begin(), held.end()}, allowed)) {
    if (config_->auto_placement) {
      at(id).move_home(Pool::kHost);
    }
    at(id).release();
    ahead_[static_cast<size_t>(id)] = 0;
    ++counts_.evictions;
  }
}

// Bytes by which the device pool grows when these are made whole.
int64_t Chunks::device_bytes_to_come(std::span<const int32_t> wanted) const {
  int64_t sum = 0;
  for (const int32_t id : wanted) {
    const Chunk& chunk = chunks_[static_cast<size_t>(id)];
    sum += chunk.whole() ? 0 : chunk.whole_bytes();
  }
  return sum;
}

void Chunks::make_room(std::span<const int32_t> wanted) {
  const std::vector<Held> idle = held(wanted);
  if (!config_->auto_placement) {
    evict(idle, may_stay_);
    return;
  }
  const int64_t idle_bytes =
      std::accumulate(idle.begin(), idle.end(), int64_t{0}, [](int64_t sum, const Held& h) {
        return sum + h.bytes;
      });
  const int64_t in_use = pools_.now(Pool::kDevice) + device_states() - idle_bytes;
  const int64_t limit = budget_.for_model(!order_.upcoming().empty());
  const int64_t allowed = limit - in_use - device_bytes_to_come(wanted);
  evict(idle, std::max<int64_t>(allowed, 0));
  if (allowed < 0) {
    move_home(-allowed);
  }
}

// Own values that lie on the device between uses make room as well. If that is not enough, nothing is.
void Chunks::move_home(int64_t missing) {
  for (size_t i = chunks_.size(); i-- > 0 && missing > 0;) {
    Chunk& chunk = chunks_[i];
    if (chunk.at_home() && chunk.home() == Pool::kDevice) {
      chunk.move_home(Pool::kHost);
      missing -= chunk.shard_bytes();
    }
  }
  if (missing > 0) {
    throw run_error(
        "placement_policy = \"auto\": chunks in use need ",
        missing,
        " bytes more than a device of ",
        budget_.capacity(),
        " bytes leaves them, ",
        budget_.measured() ? text("of which other data takes up to ", budget_.largest_other())
                           : text("as the first iteration leaves the rest to other data"),
        "; use smaller chunks (min_chunk_size_m, chunk_config_dict), a smaller batch, or ",
        budget_.measured() ? "a larger steady_cuda_cap_ratio"
                           : "a smaller warmup_non_model_data_ratio");
  }
}

void Chunks::trim() {
  if (!config_->auto_placement) {
    evict(held({}), may_stay_);
  }
}

void Chunks::release_all() {
  for (Chunk& chunk : chunks_) {
    chunk.release();
  }
  std::ranges::fill(ahead_, uint8_t{0});
}

// --- states -----------------------------------------------------------------------------------------------------------

int64_t Chunks::bytes_of(std::string_view tag) const {
  int64_t now = 0;
  int64_t peak = 0;
  check(service<strata_memory_api>().bytes_of_tag(runtime_, view(tag), &now, &peak));
  return now;
}

int64_t Chunks::device_states() const {
  int64_t all = 0;
  int64_t here = 0;
  for (const Chunk& chunk : chunks_) {
    all += chunk.layout().shard;
    here += chunk.spec().optim == Pool::kDevice ? chunk.layout().shard : 0;
  }
  return all == 0 ? 0
                  : static_cast<int64_t>(static_cast<double>(bytes_of("optim")) *
                                         static_cast<double>(here) / static_cast<double>(all));
}

// A master brings its optimizer states along; a quarter of the room is for it, the rest for them and what they need.
void Chunks::promote() {
  if (promoted_ || !config_->auto_placement || !budget_.measured()) {
    return;
  }
  promoted_ = true;
  const auto room = static_cast<double>(budget_.capacity() - budget_.largest_other() -
                                        pools_.peak(Pool::kDevice));
  auto left = static_cast<int64_t>(config_->gpu_margin_mem_ratio * room / 4);
  for (Chunk& chunk : chunks_) {
    left -= chunk.layout().shard * size_of(chunk.spec().master_dtype);
    if (left < 0) {
      break;
    }
    chunk.move_optim(Pool::kDevice);
  }
}

}  // namespace strata::colossalai
