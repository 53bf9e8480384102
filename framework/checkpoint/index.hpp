// index.json of a checkpoint: where each tensor's elements lie, and their checksums.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace strata::checkpoint {

/// What a tensor is to a run.
enum class Kind {
  kParam,
  kBuffer,  ///< of the model, as rank 0 has it
  kState,   ///< "parameter.state": of the optimizer or a hook
  kRank     ///< "rank1/…": of one rank; of use on the same number of ranks alone
};

/// Whether a model is made of such.
inline bool is_weight(Kind kind) {
  return kind == Kind::kParam || kind == Kind::kBuffer;
}

/// A stretch of the flattened row-major tensor, in elements.
struct Chunk {
  std::string file;
  int64_t begin = 0;
  int64_t count = 0;
  uint64_t hash = 0;  ///< of its bytes
};

struct IndexedTensor {
  std::string name;
  int32_t dtype = 0;
  std::vector<int64_t> shape;
  Kind kind = Kind::kParam;
  std::vector<Chunk> chunks;  ///< in order, without gap or overlap
};

struct IndexedFile {
  uint64_t bytes = 0;
  uint64_t header_hash = 0;  ///< of all bytes before the tensors'
};

/// What one rank wrote, or all have.
struct Index {
  int64_t world_size = 1;
  std::map<std::string, IndexedFile> files;
  std::vector<IndexedTensor> tensors;
};

/// The name of a chunk in its safetensors file: the tensor's own if it is all of it, else
/// "name[begin:end]".
std::string chunk_key(const IndexedTensor& tensor, const Chunk& chunk);

/// Joins what ranks wrote. Chunks of a tensor come into order.
Index merge(std::vector<Index> parts);

std::string encode_index(const Index& index);

/// json: sealed or not. file: for messages. complete: refuses tensors that lack elements.
/// Errors: STRATA_E_FAILED naming file and tensor: not JSON, another format, an unknown dtype or
/// kind, a name twice, a shape that overflows, chunks out of order, overlapping, incomplete or
/// outside of their tensor, a file name that is a path.
Index decode_index(std::string_view json, const std::string& file, bool complete = true);

}  // namespace strata::checkpoint
