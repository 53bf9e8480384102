// Buffers and the random number generator.
#include "train/own_tensors.hpp"

#include <mutex>

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/from_blob.h>

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

/// A tensor that every rank has for itself.
struct Own {
  std::string name;
  at::Tensor tensor;
  checkpoint::Kind kind;
};

std::vector<Own> own_tensors(Engine& engine) {
  std::vector<Own> out;
  for (const unit::NamedBuffer& b : engine.model().buffers()) {
    if (b.persistent) {
      out.push_back({b.name, b.tensor.detach(), checkpoint::Kind::kBuffer});
    }
  }
  for (const optim::BufferState& s : engine.updater()->buffer_states()) {
    const auto options = at::TensorOptions().dtype(unit::scalar_type(s.dtype));
    out.push_back({text(s.buffer, ".", s.state),
                   at::from_blob(s.data, s.shape, options),
                   checkpoint::Kind::kState});
  }
  return out;
}

// The checksums of all of them, in order.
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
  std::vector<Own> all = own_tensors(engine);
  std::vector<at::Tensor> tensors;
  tensors.reserve(all.size());
  for (const Own& one : all) {
    tensors.push_back(one.tensor.contiguous());
  }
  const std::string own = hashes_of(tensors);
  const std::string first = world.broadcast_text(own);
  constexpr size_t kDigits = 16;
  for (size_t i = 0; i < all.size(); ++i) {
    if (world.is_main()) {
      entries_.push_back({all[i].name, tensors[i], all[i].kind});
    } else if (ranks && own.compare(i * kDigits, kDigits, first, i * kDigits, kDigits) != 0) {
      entries_.push_back({of_rank(world.rank(), all[i].name), tensors[i], checkpoint::Kind::kRank});
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

void OwnTensors::copy(Staging& memory, Captured& out) const {
  for (const Entry& e : entries_) {
    const auto bytes = static_cast<int64_t>(e.tensor.nbytes());
    std::byte* const data = memory.take(bytes);
    memory.copy(data, e.tensor.const_data_ptr(), bytes);
    (e.kind == checkpoint::Kind::kBuffer ? out.model : out.optimizer)
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
  const auto restore = [&](const std::string& name, const at::Tensor& out) {
    const auto found = from.find(name);
    if (!found) {
      return false;
    }
    const checkpoint::StoredTensor& stored = from.tensors()[*found];
    if (stored.shape != out.sizes() || unit::scalar_type(stored.dtype) != out.scalar_type()) {
      throw run_error(
          stored.name, " of ", from.path().string(), " has another shape or type than here");
    }
    from.read(*found, 0, out.numel(), out.mutable_data_ptr());
    return true;
  };
  const int rank = session.world().rank();
  const bool same_ranks = from.world_size() == session.world().size();
  for (const Own& one : own_tensors(engine)) {
    const at::Tensor rows = one.tensor.contiguous();
    const bool found = (one.kind == checkpoint::Kind::kState && restore(one.name, rows));
    if ((same_ranks && restore(of_rank(rank, one.name), rows)) || found) {
      one.tensor.copy_(rows);
    }
  }
  const at::Tensor random = random_state();
  if (same_ranks && restore(of_rank(rank, kRandom), random)) {
    at::Generator generator = at::detail::getDefaultCPUGenerator();
    const std::lock_guard lock(generator.mutex());
    generator.set_state(random);
  }
}

}  // namespace strata::train
