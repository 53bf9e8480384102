// Who must go, and where things lie.
#include <algorithm>
#include <numeric>

#include "chunks.hpp"

namespace strata::colossalai {
namespace {

bool contains(std::span<const int32_t> list, int32_t value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

}  // namespace

void Chunks::place_statically() {
  std::vector<int64_t> bytes;
  for (const Chunk& chunk : chunks_) {
    bytes.push_back(chunk.whole_bytes());
  }
  const auto optim = place_fraction(bytes, config_->offload_optim_frac);
  const auto home = place_fraction(bytes, config_->offload_param_frac);
  for (size_t i = 0; i < chunks_.size(); ++i) {
    chunks_[i].move_optim(optim[i]);
    chunks_[i].move_home(home[i]);
  }
  const auto total = std::accumulate(bytes.begin(), bytes.end(), int64_t{0});
  may_stay_ =
      plan_->keep_gathered
          ? total
          : static_cast<int64_t>(static_cast<double>(total) * (1 - config_->shard_param_frac));
}

// Values begin on the device as far as the first iteration lets them; masters, gradients and states on the host.
void Chunks::place_automatically() {
  int64_t left = budget_.for_model(false);
  for (Chunk& chunk : chunks_) {
    left -= chunk.shard_bytes();
    chunk.move_home(left >= 0 ? Pool::kDevice : Pool::kHost);
    chunk.move_optim(Pool::kHost);
  }
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
    // What was brought ahead waits for its use; a rank that is alone has the own values wherever they are whole.
    const bool stays = !config_->auto_placement &&
                       (ahead_[i] != 0 || (mesh_->shards() == 1 && chunk.home() == Pool::kDevice));
    out.push_back({id, stays ? 0 : chunk.whole_bytes(), next_use(id), last_use_[i]});
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
    if (!chunk.whole()) {
      const bool moves_in =
          chunk.home() == Pool::kDevice && chunk.at_home() && !chunk.spec().keeps_values;
      sum += chunk.whole_bytes() - (moves_in ? chunk.shard_bytes() : 0);
    }
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
    move_idle(-allowed, wanted);
  }
}

// Own values that lie on the device between uses make room as well. If that is not enough, nothing is.
void Chunks::move_idle(int64_t missing, std::span<const int32_t> wanted) {
  for (size_t i = chunks_.size(); i-- > 0 && missing > 0;) {
    Chunk& chunk = chunks_[i];
    if (!chunk.whole() && chunk.at_home() && chunk.home() == Pool::kDevice &&
        !contains(wanted, static_cast<int32_t>(i))) {
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
  std::fill(ahead_.begin(), ahead_.end(), uint8_t{0});
}

// --- states -----------------------------------------------------------------------------------------------------------

int64_t Chunks::state_bytes() const {
  int64_t now = 0;
  int64_t peak = 0;
  check(service<strata_memory_api>().bytes_of_tag(runtime_, view("optim"), &now, &peak));
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
                  : static_cast<int64_t>(static_cast<double>(state_bytes()) *
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
  int64_t left = static_cast<int64_t>(config_->gpu_margin_mem_ratio * room / 4);
  for (Chunk& chunk : chunks_) {
    left -= chunk.layout().shard * size_of(chunk.spec().master_dtype);
    if (left < 0) {
      break;
    }
    chunk.move_optim(Pool::kDevice);
  }
}

}  // namespace strata::colossalai
