// Filling a model from a file.
#include "train/weights.hpp"

#include <algorithm>
#include <chrono>
#include <set>
#include <utility>

#include <ATen/ops/empty.h>

#include "strata/cpp/error.hpp"

#include "checkpoint/averaged_reader.hpp"
#include "checkpoint/checkpoint_dir.hpp"
#include "unit/memory.hpp"

namespace strata::train {
namespace {

std::string joined(const std::vector<std::string>& names, size_t shown) {
  std::string out;
  for (size_t i = 0; i < names.size() && i < shown; ++i) {
    out += (i == 0 ? "" : ", ") + names[i];
  }
  return names.size() > shown ? out + text(", … (", names.size(), " in all)") : out;
}

// Files and models of other versions lack it, and nothing but a cumulative average depends on it.
bool counts_batches(const std::string& name) {
  return name.ends_with("num_batches_tracked");
}

struct Tensors {
  explicit Tensors(const unit::Model& model) {
    for (const unit::Param& p : model.params()) {
      add(p.name, p.tensor);
    }
    for (const unit::NamedBuffer& b : model.buffers()) {
      if (b.persistent) {
        add(b.name, b.tensor);
      }
    }
  }

  void add(const std::string& name, const at::Tensor& tensor) {
    all.emplace_back(name, tensor.sizes());
    names.insert(name);
  }

  std::vector<std::pair<std::string, at::IntArrayRef>> all;  // in the model's order
  std::set<std::string> names;
};

at::Tensor empty_as_stored(const checkpoint::StoredTensor& stored, at::IntArrayRef shape) {
  return at::empty(shape, at::TensorOptions().dtype(unit::scalar_type(stored.dtype)));
}

}  // namespace

Weights::Weights(const std::filesystem::path& path, WeightRules rules)
    : file_(checkpoint::open_tensors(path)), rules_(std::move(rules)) {}

std::unique_ptr<Weights> open_weights(const std::filesystem::path& path,
                                      const std::string& state,
                                      const WeightRules& rules,
                                      Session& session) {
  if (state.empty() || !checkpoint::is_checkpoint(path)) {
    return std::make_unique<Weights>(path, rules);
  }
  auto averaged = std::make_unique<checkpoint::AveragedReader>(path, state);
  if (averaged->averages() == 0) {
    session.log().info("The checkpoint has no averages (\"{}\"): its weights are taken.", state);
    return std::make_unique<Weights>(path, rules);
  }
  if (session.run().verify) {
    averaged->verify(session.world().rank(), session.world().size());
  }
  session.log().info("The weights are the checkpoint's averages (\"{}\").", state);
  return std::make_unique<Weights>(std::move(averaged), rules);
}

Weights::Names Weights::names_of(const unit::Model& model) const {
  std::map<std::string, std::string> owners;  // of what units borrow, by the borrower's name
  for (const unit::Param& p : model.params()) {
    for (const std::string& alias : p.aliases) {
      owners.emplace(alias, p.name);
    }
  }
  Names out;
  Names renamed;
  Names borrowed;
  for (size_t i = 0; i < file_->tensors().size(); ++i) {
    const std::string bare = revised(stored(i).name, rules_.revise_keys);
    const std::string name = model.weight_name(bare);
    if (const auto owner = owners.find(name); owner != owners.end()) {
      borrowed.emplace(owner->second, i);
    } else if (!name.empty()) {
      (name == bare ? out : renamed).emplace(name, i);
    }
  }
  out.merge(renamed);
  out.merge(borrowed);
  return out;
}

// By names and shapes alone: what is found does not depend on what a rank holds of the model.
void Weights::match(const unit::Model& model) {
  by_name_ = names_of(model);
  missing_.clear();
  unexpected_.clear();
  misshaped_.clear();
  const Tensors wanted(model);
  for (const auto& [name, shape] : wanted.all) {
    const auto it = by_name_.find(name);
    if (it == by_name_.end()) {
      if (!counts_batches(name)) {
        missing_.push_back(name);
      }
    } else if (shape != at::IntArrayRef(stored(it->second).shape)) {
      misshaped_.push_back(
          text(name, " (file ", at::IntArrayRef(stored(it->second).shape), ", model ", shape, ")"));
    }
  }
  for (const auto& [name, index] : by_name_) {
    if (!wanted.names.contains(name) && !counts_batches(name)) {
      unexpected_.push_back(stored(index).name);
    }
  }
  constexpr size_t kShown = 100;
  if (const std::string found = list_misfits(kShown, ""); rules_.strict && !found.empty()) {
    throw config_error(rules_.where,
                       "The weights of ",
                       file_->path().string(),
                       " do not fit the model, and load_cfg.strict asks that they do.",
                       found);
  }
}

int64_t Weights::find(const std::string& name, at::IntArrayRef shape) const {
  const auto it = by_name_.find(name);
  const bool fits = it != by_name_.end() && shape == at::IntArrayRef(stored(it->second).shape);
  return fits ? static_cast<int64_t>(it->second) : -1;
}

void Weights::read(size_t index, int64_t begin, const at::Tensor& out) const {
  const auto start = std::chrono::steady_clock::now();
  read_as(index, begin, out);
  seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Into memory of the tensor's own type, which is aligned for it; of another type through a piece in between.
void Weights::read_as(size_t index, int64_t begin, const at::Tensor& out) const {
  constexpr int64_t kPiece = int64_t{1} << 20;
  const int64_t count = out.numel();
  if (out.scalar_type() == unit::scalar_type(stored(index).dtype)) {
    file_->read(index, begin, count, out.mutable_data_ptr());
    return;
  }
  const at::Tensor piece = empty_as_stored(stored(index), {std::min(count, kPiece)});
  for (int64_t at = 0; at < count; at += kPiece) {
    const int64_t n = std::min(kPiece, count - at);
    file_->read(index, begin + at, n, piece.mutable_data_ptr());
    out.narrow(0, at, n).copy_(piece.narrow(0, 0, n));
  }
}

bool Weights::fill(const std::string& name, const at::Tensor& out) const {
  const int64_t index = find(name, out.sizes());
  if (index < 0) {
    return false;
  }
  const auto i = static_cast<size_t>(index);
  if (out.is_contiguous()) {
    read(i, 0, out.view({out.numel()}));
    return true;
  }
  const at::Tensor plain = empty_as_stored(stored(i), out.sizes());
  read(i, 0, plain.view({plain.numel()}));
  out.copy_(plain);
  return true;
}

bool Weights::fill_slice(const std::string& name,
                         at::IntArrayRef shape,
                         int64_t offset,
                         int64_t count,
                         const at::Tensor& out) const {
  if (out.dim() != 1 || out.numel() != count || !out.is_contiguous()) {
    throw Error(
        STRATA_E_ARGUMENT,
        text("a slice of ", count, " elements of ", name, " for a tensor of ", out.sizes()));
  }
  const int64_t index = find(name, shape);
  if (index >= 0) {
    read(static_cast<size_t>(index), offset, out);
  }
  return index >= 0;
}

std::string Weights::list_misfits(size_t shown, const char* consequence) const {
  std::string out;
  const auto add = [&](const std::string& what, const std::vector<std::string>& names) {
    out += names.empty() ? "" : text("\n  ", what, ": ", joined(names, shown));
  };
  add(text("missing in the file", consequence), missing_);
  add("unexpected in the file, not used", unexpected_);
  add(text("of another shape", consequence), misshaped_);
  return out;
}

std::string Weights::misfits() const {
  constexpr size_t kShown = 10;
  return list_misfits(kShown, ", left at their initial values");
}

void Weights::report(log::Log& log) const {
  if (const std::string taken = file_->taken(); !taken.empty()) {
    log.info("Of {} the weights under {} are taken.", file_->path().string(), taken);
  }
  if (const std::string found = misfits(); !found.empty()) {
    log.warn("The model and the weights of {} do not match.{}", file_->path().string(), found);
  }
}

}  // namespace strata::train
