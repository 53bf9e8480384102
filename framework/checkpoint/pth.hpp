// Files of torch.save: `.pth`, `.pt`, `.bin`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "checkpoint/safetensors.hpp"
#include "checkpoint/tensor_reader.hpp"

namespace strata::checkpoint {

/// A tensor as a view of a storage, which lies in the file.
struct PthTensor {
  StoredTensor info;
  std::span<const std::byte> storage;
  int64_t offset = 0;  ///< of the first element in the storage; in elements, as are strides
  std::vector<int64_t> strides;
};

struct PthContent {
  std::vector<PthTensor> tensors;  ///< in the order of the state dict
  std::string taken;  ///< "its key \"state_dict\"" when the state dict is not the whole
};

/// Reads the state dict of a file of torch.save (the zip format, since torch 1.6): the whole of it, or what stands under
/// `state_dict` (MMEngine), `model_state_dict`, `model` or `module` (DeepSpeed). Entries that are no tensors are left out.
/// Nothing is executed. Borrows `bytes`.
///
/// Errors: STRATA_E_FAILED with `file`, and the entry where sizes contradict each other: what is cut short or of another
/// format, big-endian, of the formats before 1.6, without a state dict; a tensor of a type that is not read here.
PthContent read_pth(std::span<const std::byte> bytes, const std::string& file);

/// Elements [begin, begin + count) of the flattened row-major tensor, whatever its strides. They must be there.
void read_elements(const PthTensor& tensor, int64_t begin, int64_t count, void* out);

/// Errors: those of read_pth(), and STRATA_E_IO.
std::unique_ptr<TensorReader> open_pth(const std::filesystem::path& path);

/// Writes a state dict that torch.load(path, weights_only=True) gives back as an OrderedDict of contiguous tensors, in the
/// order of the list; also under mmap=True. As write_safetensors() in all else.
void write_pth(const std::filesystem::path& path, std::span<const TensorSource> tensors);

}  // namespace strata::checkpoint
