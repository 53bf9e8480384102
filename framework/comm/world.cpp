// Groups of a world and the host's helpers over them.
#include "comm/world.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

#include "border/errors.hpp"

namespace strata::comm {
namespace {

bool moves_host_memory(const CommunicatorObject& communicator) {
  strata_communicator_caps caps = {STRATA_HDR(strata_communicator_caps), 0, 0, 0, 0};
  communicator.call(&strata_communicator_api::describe, &caps);
  return (caps.device_types & (1U << STRATA_CPU)) != 0;
}

void close(strata_group& group) {
  if (group.native != nullptr) {
    group.communicator->api().group_free(group.communicator->self(),
                                         std::exchange(group.native, nullptr));
  }
}

// Waits for what the helper started: they are synchronous.
void finish(strata_rc rc, strata_work* work) {
  border::check(rc);
  border::check(comm_service()->wait(work, nullptr));
}

}  // namespace

World::World(const LaunchInfo& info, WorldParts parts) : parts_(std::move(parts)) {
  world_.rank = info.rank;
  world_.size = info.world_size;
  world_.name = parts_.name;
  if (info.world_size == 1) {
    return;
  }
  if (!parts_.communicator || parts_.store == nullptr) {
    throw Error(STRATA_E_ARGUMENT,
                text("a world of ", info.world_size, " ranks needs a communicator and a store"));
  }
  std::vector<int32_t> all(static_cast<size_t>(info.world_size));
  std::iota(all.begin(), all.end(), 0);
  open(world_, all, parts_.communicator);
  if (parts_.control) {
    control_ = std::make_unique<strata_group>(world_);
    control_->name = parts_.name + "/control";
    open(*control_, all, parts_.control);
  } else if (!moves_host_memory(parts_.communicator)) {
    throw Error(STRATA_E_ARGUMENT,
                text("communicator \"",
                     parts_.communicator.type(),
                     "\" moves no host memory: the world needs a second one for that"));
  }
}

World::~World() {
  for (const auto& [ranks, group] : groups_) {
    close(*group);
  }
  if (control_ != nullptr) {
    close(*control_);
  }
  close(world_);
}

std::string World::backend() const {
  return parts_.communicator ? parts_.communicator.type() : "none";
}

bool World::on_one_host(std::span<const int32_t> ranks) const {
  const auto& hosts = parts_.hosts;
  return hosts.empty() || std::ranges::all_of(ranks, [&](int32_t rank) {
           return hosts.at(static_cast<size_t>(rank)) ==
                  hosts.at(static_cast<size_t>(ranks.front()));
         });
}

void World::open(strata_group& group,
                 std::span<const int32_t> ranks,
                 const CommunicatorObject& communicator) const {
  strata_group_args args{};
  args.h = STRATA_HDR(strata_group_args);
  args.name = border::view(group.name);
  args.rank = group.rank;
  args.size = group.size;
  args.same_host = on_one_host(ranks) ? 1 : 0;
  args.same_process = parts_.same_process ? 1 : 0;
  args.timeout_ms = parts_.timeout_ms;
  args.device = &communicator == &parts_.control ? strata_device{STRATA_CPU, 0} : parts_.device;
  args.store = parts_.store->c();
  group.communicator = &communicator;
  communicator.call(&strata_communicator_api::group_new, &args, &group.native);
}

strata_group* World::group_new(std::span<const int32_t> ranks) {
  const std::vector<int32_t> key(ranks.begin(), ranks.end());
  const int number = made_++;
  const bool ascending = std::ranges::adjacent_find(key, std::greater_equal<>()) == key.end();
  const auto mine = std::ranges::find(key, rank());
  if (!ascending || mine == key.end() || key.front() < 0 || key.back() >= size()) {
    throw Error(STRATA_E_ARGUMENT,
                text("group no. ",
                     number,
                     ": its ranks must ascend, lie in 0 … ",
                     size() - 1,
                     " and include the calling rank ",
                     rank()));
  }
  if (static_cast<int>(key.size()) == size()) {
    return &world_;
  }
  const auto found = groups_.find(key);
  if (found != groups_.end()) {
    return found->second.get();
  }
  auto group = std::make_unique<strata_group>();
  group->world = this;
  group->name = text(parts_.name, "/", number, ".", key.front());
  group->rank = static_cast<int>(mine - key.begin());
  group->size = static_cast<int>(key.size());
  if (group->size > 1) {
    open(*group, key, parts_.communicator);
  }
  return groups_.emplace(key, std::move(group)).first->second.get();
}

void World::all_reduce_sum(double* values, int64_t n) {
  strata_work* work = nullptr;
  const strata_rc rc =
      comm_service()->all_reduce(&control(), values, n, STRATA_F64, STRATA_SUM, nullptr, &work);
  finish(rc, work);
}

double World::sum(double value) {
  all_reduce_sum(&value, 1);
  return value;
}

bool World::any(bool value) {
  int32_t flag = value ? 1 : 0;
  strata_work* work = nullptr;
  const strata_rc rc =
      comm_service()->all_reduce(&control(), &flag, 1, STRATA_I32, STRATA_MAX, nullptr, &work);
  finish(rc, work);
  return flag != 0;
}

void World::broadcast(void* data, int64_t bytes, int root) {
  strata_work* work = nullptr;
  const strata_rc rc =
      comm_service()->broadcast(&control(), data, bytes, STRATA_U8, root, nullptr, &work);
  finish(rc, work);
}

std::string World::broadcast_text(const std::string& value, int root) {
  std::string out = value;
  auto length = static_cast<int64_t>(out.size());
  broadcast(&length, sizeof(length), root);
  out.resize(static_cast<size_t>(length));
  broadcast(out.data(), length, root);
  return out;
}

std::vector<std::string> World::all_gather_text(const std::string& value) {
  const auto n = static_cast<size_t>(size());
  const auto length = static_cast<int64_t>(value.size());
  std::vector<int64_t> lengths(n);
  strata_work* work = nullptr;
  strata_rc rc = comm_service()->all_gather(
      &control(), &length, lengths.data(), 1, STRATA_I64, nullptr, &work);
  finish(rc, work);

  const int64_t longest = std::ranges::max(lengths);
  std::string padded = value;
  padded.resize(static_cast<size_t>(longest));
  std::string all(n * static_cast<size_t>(longest), '\0');
  rc = comm_service()->all_gather(
      &control(), padded.data(), all.data(), longest, STRATA_U8, nullptr, &work);
  finish(rc, work);

  std::vector<std::string> out;
  out.reserve(n);
  for (size_t rank = 0; rank < n; ++rank) {
    out.push_back(
        all.substr(rank * static_cast<size_t>(longest), static_cast<size_t>(lengths[rank])));
  }
  return out;
}

void World::barrier() {
  border::check(comm_service()->barrier(&control()));
}

void World::abort(std::string_view reason) noexcept {
  const auto stop = [&](const strata_group& group) {
    if (group.native != nullptr) {
      group.communicator->api().abort(
          group.communicator->self(), group.native, border::view(reason));
    }
  };
  stop(world_);
  if (control_ != nullptr) {
    stop(*control_);
  }
  for (const auto& [ranks, group] : groups_) {
    stop(*group);
  }
}

}  // namespace strata::comm
