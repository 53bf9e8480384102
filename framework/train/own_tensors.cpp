// Buffers and the random number generator.
#include "train/own_tensors.hpp"

#include <cstring>
#include <mutex>

#include <ATen/CPUGeneratorImpl.h>

#include "strata/cpp/error.hpp"

#include "checkpoint/checkpoint_reader.hpp"
#include "checkpoint/hash.hpp"
#include "unit/memory.hpp"

namespace strata::train {
namespace {

constexpr const char* kRandom = "rng.cpu";

std::string of_rank(int rank, const std::string& name) {
  return text("rank", rank, "/", name);
}

std::span<const std::byte> bytes_of(const at::Tensor& rows) {
  return {static_cast<const std::byte*>(rows.const_data_ptr()), rows.nbytes()};
}

at::Tensor random_state() {
  at::Generator generator = at::detail::getDefaultCPUGenerator();
  const std::lock_guard lock(generator.mutex());
  return generator.get_state();
}

// The checksums of all persistent buffers, in order.
std::string hashes_of(const std::vector<at::Tensor>& tensors) {
  std::string out;
  for (const at::Tensor& t : tensors) {
    out += checkpoint::hash_text(checkpoint::hash_of(bytes_of(t)));
  }
  return out;
}

}  // namespace

OwnTensors::OwnTensors(Session& session, Engine& engine, bool ranks) {
  comm::World& world = session.world();
  std::vector<std::string> names;
  std::vector<at::Tensor> tensors;
  for (const unit::NamedBuffer& b : engine.model().buffers()) {
    if (b.persistent) {
      names.push_back(b.name);
      tensors.push_back(b.tensor.detach().contiguous());
    }
  }
  const std::string own = hashes_of(tensors);
  const std::string first = world.broadcast_text(own);
  constexpr size_t kDigits = 16;
  for (size_t i = 0; i < names.size(); ++i) {
    if (world.is_main()) {
      entries_.push_back({names[i], tensors[i], checkpoint::Kind::kBuffer});
    } else if (ranks && own.compare(i * kDigits, kDigits, first, i * kDigits, kDigits) != 0) {
      entries_.push_back({of_rank(world.rank(), names[i]), tensors[i], checkpoint::Kind::kRank});
    }
  }
  if (ranks) {
    entries_.push_back({of_rank(world.rank(), kRandom), random_state(), checkpoint::Kind::kRank});
  }
}

int64_t OwnTensors::bytes() const {
  int64_t out = 0;
  for (const Entry& e : entries_) {
    out += Staging::padded(static_cast<int64_t>(e.tensor.nbytes()));
  }
  return out;
}

void OwnTensors::take(Captured& out) const {
  for (const Entry& e : entries_) {
    std::byte* const data = out.memory.take(static_cast<int64_t>(e.tensor.nbytes()));
    std::memcpy(data, e.tensor.const_data_ptr(), e.tensor.nbytes());
    (e.kind == checkpoint::Kind::kRank ? out.optimizer : out.model)
        .push_back({e.name,
                    unit::dtype_of(e.tensor.scalar_type()),
                    e.tensor.sizes().vec(),
                    e.kind,
                    0,
                    e.tensor.numel(),
                    data});
  }
}

void restore_own_tensors(Session& session,
                         Engine& engine,
                         const checkpoint::CheckpointReader& from) {
  const int rank = session.world().rank();
  const auto restore = [&](const std::string& name, const at::Tensor& out) {
    const auto found = from.find(of_rank(rank, name));
    if (!found) {
      return false;
    }
    const checkpoint::StoredTensor& stored = from.tensors()[*found];
    if (stored.shape != out.sizes() || unit::scalar_type(stored.dtype) != out.scalar_type()) {
      throw run_error(
          stored.name, " of ", from.path().string(), " has another shape or type than ", name);
    }
    from.read(*found, 0, out.numel(), out.mutable_data_ptr());
    return true;
  };
  for (const unit::NamedBuffer& b : engine.model().buffers()) {
    at::Tensor rows = b.tensor.detach().contiguous();
    if (b.persistent && restore(b.name, rows)) {
      b.tensor.detach().copy_(rows);
    }
  }
  at::Tensor random = random_state();
  if (restore(kRandom, random)) {
    at::Generator generator = at::detail::getDefaultCPUGenerator();
    const std::lock_guard lock(generator.mutex());
    generator.set_state(random);
  }
}

}  // namespace strata::train
