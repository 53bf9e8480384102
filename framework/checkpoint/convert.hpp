// Stored tensors on their way into files of another kind.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "checkpoint/safetensors.hpp"
#include "checkpoint/tensor_reader.hpp"

namespace strata::checkpoint {

/// One tensor of `reader`, to be written as `name` by write_safetensors() and its like. It is read, cast and put in pieces
/// of at most a MiB when its turn comes; nothing of the size of a tensor is allocated. Borrows `reader`.
/// dtype: that a floating-point tensor is cast to, rounded to nearest even; absent: it stays as it is.
TensorSource source_of(const TensorReader& reader,
                       size_t tensor,
                       const std::string& name,
                       std::optional<int32_t> dtype = {});

/// The same for all of them, under their names.
std::vector<TensorSource> sources_of(const TensorReader& reader, std::optional<int32_t> dtype = {});

/// One file of a Hugging Face folder.
struct HfShard {
  std::string file;
  uint64_t bytes = 0;  ///< of its tensors
  std::vector<TensorSource> tensors;
};

/// Divides tensors, in their order, over files of at most `max_bytes` of tensors each; a larger tensor has a file of its
/// own. One file is "model.safetensors", several are "model-00001-of-00003.safetensors", …
std::vector<HfShard> plan_hf_shards(std::span<const TensorSource> tensors, uint64_t max_bytes);

/// Writes a folder as Hugging Face's save_pretrained() does: the shards, and model.safetensors.index.json when there are
/// several. It appears whole, or not at all. replace: a folder of weights that has the name gives way.
///
/// Errors: STRATA_E_IO: `dir` is there (without `replace`), or is no folder of weights; see FileOut. Those of
/// write_safetensors().
void write_hf_folder(const std::filesystem::path& dir,
                     const std::vector<HfShard>& shards,
                     bool replace = false);

}  // namespace strata::checkpoint
