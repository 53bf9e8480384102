// Pieces of tensors, found by the index.
#include "checkpoint/checkpoint_reader.hpp"

#include <algorithm>
#include <utility>

#include "strata/cpp/error.hpp"

#include "checkpoint/checkpoint_dir.hpp"
#include "checkpoint/dtype.hpp"
#include "checkpoint/hash.hpp"
#include "checkpoint/verify_chunks.hpp"

namespace strata::checkpoint {
namespace {

namespace fs = std::filesystem;

template <class... Parts>
[[noreturn]] void refuse_file(const fs::path& file, const Parts&... parts) {
  throw Error(STRATA_E_FAILED, text(file.string(), " does not fit its index.json: ", parts...));
}

}  // namespace

CheckpointReader::CheckpointReader(const fs::path& dir, Take take)
    : dir_(dir), index_(read_index(dir)) {
  if (take == Take::kWeights) {
    std::erase_if(index_.tensors, [](const IndexedTensor& t) { return !is_weight(t.kind); });
  }
  open_files(dir, take);
  check_pieces();
  for (const IndexedTensor& t : index_.tensors) {
    by_name_.emplace(t.name, tensors_.size());
    tensors_.push_back({t.name, t.dtype, t.shape});
  }
}

void CheckpointReader::open_files(const fs::path& dir, Take take) {
  for (const auto& file : index_.files) {  // clang 14 captures no names of a binding
    const std::string& name = file.first;
    const IndexedFile& said = file.second;
    const bool needed = std::ranges::any_of(index_.tensors, [&](const IndexedTensor& t) {
      return std::ranges::any_of(t.chunks, [&](const Chunk& c) { return c.file == name; });
    });
    if (!needed && take == Take::kWeights) {
      continue;
    }
    const fs::path path = dir / name;
    if (fs::is_symlink(path) || !fs::is_regular_file(path)) {
      throw Error(
          STRATA_E_NOT_FOUND,
          text("the checkpoint ", dir.string(), " lacks ", name, ", which its index.json lists"));
    }
    if (fs::file_size(path) != said.bytes) {
      refuse_file(path, "it has ", fs::file_size(path), " bytes and not ", said.bytes);
    }
    const auto it = files_.emplace(name, SafetensorsFile(path)).first;
    if (hash_of(it->second.head()) != said.header_hash) {
      refuse_file(path,
                  "its header is damaged: it does not have the checksum ",
                  hash_text(said.header_hash));
    }
  }
}

void CheckpointReader::check_pieces() const {
  for (const IndexedTensor& tensor : index_.tensors) {
    for (const Chunk& chunk : tensor.chunks) {
      const SafetensorsFile& file = files_.at(chunk.file);
      const TensorInfo* const info = file.find(chunk_key(tensor, chunk));
      const auto bytes = static_cast<uint64_t>(chunk.count) * dtype_bytes(tensor.dtype);
      if (info == nullptr || info->dtype != tensor.dtype || info->bytes() != bytes) {
        refuse_file(
            file.path(), "it lacks ", chunk_key(tensor, chunk), " or has it in another form");
      }
    }
  }
}

void CheckpointReader::read(size_t number, int64_t begin, int64_t count, void* out) const {
  Reads reads;
  read(number, begin, count, out, reads);
  reads.run();
}

void CheckpointReader::read(
    size_t number, int64_t begin, int64_t count, void* out, Reads& reads) const {
  check_elements(*this, number, begin, count);
  const IndexedTensor& tensor = index_.tensors[number];
  const auto element = static_cast<int64_t>(dtype_bytes(tensor.dtype));
  auto chunk = std::ranges::upper_bound(tensor.chunks, begin, {}, &Chunk::begin);
  chunk = chunk == tensor.chunks.begin() ? chunk : std::prev(chunk);
  auto* to = static_cast<std::byte*>(out);
  for (; count > 0 && chunk != tensor.chunks.end(); ++chunk) {
    const int64_t skip = begin - chunk->begin;
    const int64_t n = std::min(count, chunk->count - skip);
    const SafetensorsFile& file = files_.at(chunk->file);
    const std::span bytes(to, static_cast<size_t>(n * element));
    file.read(
        *file.find(chunk_key(tensor, *chunk)), static_cast<uint64_t>(skip * element), bytes, reads);
    to += bytes.size();
    begin += n;
    count -= n;
  }
}

std::optional<size_t> CheckpointReader::find(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? std::nullopt : std::optional(found->second);
}

void CheckpointReader::verify(int part, int share) const {
  std::vector<StoredChunk> all;
  for (const IndexedTensor& tensor : index_.tensors) {
    for (const Chunk& chunk : tensor.chunks) {
      const SafetensorsFile& file = files_.at(chunk.file);
      const std::string key = chunk_key(tensor, chunk);
      const TensorInfo& info = *file.find(key);
      all.push_back({&file.path(), file.offset(info), info.bytes(), chunk.hash, key});
    }
  }
  verify_chunks(std::move(all), part, share);
}

}  // namespace strata::checkpoint
