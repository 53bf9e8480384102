// Filling a model from a file.
#include "train/weights.hpp"

#include <cstring>

#include <ATen/ops/empty.h>

#include "strata/cpp/error.hpp"

#include "checkpoint/checkpoint_dir.hpp"
#include "unit/memory.hpp"

namespace strata::train {
namespace {

std::filesystem::path file_of(const std::filesystem::path& path) {
  return std::filesystem::is_directory(path) ? checkpoint::open_checkpoint(path).model : path;
}

std::string joined(const std::vector<std::string>& names) {
  constexpr size_t kShown = 10;
  std::string out;
  for (size_t i = 0; i < names.size() && i < kShown; ++i) {
    out += (i == 0 ? "" : ", ") + names[i];
  }
  return names.size() > kShown ? out + text(", … (", names.size(), " in all)") : out;
}

}  // namespace

Weights::Weights(const std::filesystem::path& path) : file_(file_of(path)) {}

void Weights::match(const unit::Model& model) {
  constexpr std::string_view kWrapper = "module.";
  std::map<std::string, std::string> owners;  // of what units borrow, by the borrower's name
  for (const unit::Param& p : model.params()) {
    for (const std::string& alias : p.aliases) {
      owners.emplace(alias, p.name);
    }
  }
  Names renamed;
  Names borrowed;
  by_name_.clear();
  for (const checkpoint::TensorInfo& info : file_.tensors()) {
    const std::string stored =
        info.name.starts_with(kWrapper) ? info.name.substr(kWrapper.size()) : info.name;
    const std::string name = model.weight_name(stored);
    if (const auto owner = owners.find(name); owner != owners.end()) {
      borrowed.emplace(owner->second, &info);
    } else if (!name.empty()) {
      (name == stored ? by_name_ : renamed).emplace(name, &info);
    }
  }
  by_name_.merge(renamed);
  by_name_.merge(borrowed);
}

bool Weights::fill(const std::string& name, const at::Tensor& out) {
  const auto it = by_name_.find(name);
  if (it == by_name_.end()) {
    missing_.push_back(name);
    return false;
  }
  const checkpoint::TensorInfo& info = *it->second;
  used_.insert(name);
  if (out.sizes() != at::IntArrayRef(info.shape)) {
    misshaped_.push_back(
        text(name, " (file ", at::IntArrayRef(info.shape), ", model ", out.sizes(), ")"));
    return false;
  }
  // Through a copy: the file's bytes need not be aligned for their type.
  const at::Tensor stored =
      at::empty(info.shape, at::TensorOptions().dtype(unit::scalar_type(info.dtype)));
  std::memcpy(stored.mutable_data_ptr(), file_.data(info).data(), info.bytes());
  out.copy_(stored);
  return true;
}

std::string Weights::misfits() const {
  std::vector<std::string> missing;
  for (const std::string& name : missing_) {
    if (!name.ends_with("num_batches_tracked")) {
      missing.push_back(name);
    }
  }
  std::vector<std::string> unexpected;
  for (const auto& [name, info] : by_name_) {
    if (used_.count(name) == 0) {
      unexpected.push_back(info->name);
    }
  }
  std::string out;
  const auto add = [&out](const char* what, const std::vector<std::string>& names) {
    out += names.empty() ? "" : text("\n  ", what, ": ", joined(names));
  };
  add("missing in the file, left at their initial values", missing);
  add("unexpected in the file, not used", unexpected);
  add("of another shape, left at their initial values", misshaped_);
  return out;
}

void Weights::report(log::Log& log) const {
  if (const std::string found = misfits(); !found.empty()) {
    log.warn("The model and the weights of {} do not match.{}", file_.path().string(), found);
  }
}

}  // namespace strata::train
