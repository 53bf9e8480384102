// Weights in several files, with Hugging Face's index that says which tensor lies in which.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "checkpoint/tensor_reader.hpp"

namespace strata::checkpoint {

/// Tensor name -> file name.
using WeightMap = std::map<std::string, std::string>;

/// Reads an index's text and judges each file name by itself. Its `metadata` is not used: programs write totals there
/// that count tied weights or not.
/// Errors: STRATA_E_FAILED with `file` and what is wrong; an absolute path or one with ".." is.
WeightMap read_weight_map(std::string_view json, const std::string& file);

/// Opens the files that an index names; only tensors that it names are there.
/// Errors: as open_tensors(); a file that is missing, or is a link out of the index's folder (out of the model's folder
/// in Hugging Face's cache, whose snapshots are links into blobs/); a tensor that its file lacks.
std::unique_ptr<TensorReader> open_hf_index(const std::filesystem::path& path);

}  // namespace strata::checkpoint
