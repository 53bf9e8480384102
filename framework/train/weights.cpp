// Filling a model from a file.
#include "train/weights.hpp"

#include <ATen/ops/empty.h>

#include <cstring>

#include "checkpoint/checkpoint_dir.hpp"
#include "strata/cpp/error.hpp"
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

Weights::Weights(const std::filesystem::path& path) : file_(file_of(path)) {
  constexpr std::string_view kWrapper = "module.";
  for (const checkpoint::TensorInfo& info : file_.tensors()) {
    const std::string_view name = info.name;
    by_name_.emplace(name.starts_with(kWrapper) ? name.substr(kWrapper.size()) : name, &info);
  }
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
    misshaped_.push_back(text(name, " (file ", at::IntArrayRef(info.shape), ", model ", out.sizes(), ")"));
    return false;
  }
  // Through a copy: the file's bytes need not be aligned for their type.
  const at::Tensor stored = at::empty(info.shape, at::TensorOptions().dtype(unit::scalar_type(info.dtype)));
  std::memcpy(stored.mutable_data_ptr(), file_.data(info).data(), info.bytes());
  out.copy_(stored);
  return true;
}

void Weights::report(log::Log& log) const {
  std::vector<std::string> missing;
  for (const std::string& name : missing_) {
    if (!name.ends_with("num_batches_tracked")) {
      missing.push_back(name);
    }
  }
  std::vector<std::string> unexpected;
  for (const auto& [name, info] : by_name_) {
    if (used_.count(name) == 0) {
      unexpected.push_back(name);
    }
  }
  if (!missing.empty() || !unexpected.empty() || !misshaped_.empty()) {
    log.warn("The model and the weights of {} do not match.{}{}{}", file_.path().string(),
             missing.empty() ? "" : "\n  missing in the file, left at their initial values: " + joined(missing),
             unexpected.empty() ? "" : "\n  unexpected in the file, not used: " + joined(unexpected),
             misshaped_.empty() ? "" : "\n  of another shape, left at their initial values: " + joined(misshaped_));
  }
}

}  // namespace strata::train
