// Header, then piece after piece.
#include "checkpoint/shard_file.hpp"

#include <algorithm>
#include <span>
#include <utility>

#include "checkpoint/dtype.hpp"
#include "checkpoint/file_out.hpp"
#include "checkpoint/hash.hpp"
#include "checkpoint/safetensors_header.hpp"

namespace strata::checkpoint {
namespace {

IndexedTensor entry_of(const ShardPiece& piece, const std::string& file) {
  return {piece.name, piece.dtype, piece.shape, piece.kind, {{file, piece.begin, piece.count, 0}}};
}

uint64_t bytes_of(const ShardPiece& piece) {
  return static_cast<uint64_t>(piece.count) * dtype_bytes(piece.dtype);
}

// All bytes before those of the tensors.
std::string head_of(const std::vector<ShardPiece>& pieces) {
  Header header{{}, {{"format", "pt"}}};
  uint64_t at = 0;
  for (const ShardPiece& piece : pieces) {
    const IndexedTensor entry = entry_of(piece, {});
    const std::string key = chunk_key(entry, entry.chunks.front());
    const uint64_t end = at + bytes_of(piece);
    header.tensors.push_back(
        {key, piece.dtype, key == piece.name ? piece.shape : std::vector{piece.count}, at, end});
    at = end;
  }
  const std::string json = encode_header(header);
  const uint64_t length = json.size();
  std::string out(reinterpret_cast<const char*>(&length), sizeof(length));
  return out += json;
}

uint64_t data_bytes(const std::vector<ShardPiece>& pieces) {
  uint64_t out = 0;
  for (const ShardPiece& piece : pieces) {
    out += bytes_of(piece);
  }
  return out;
}

// Hashed and written part by part: what is in a core's cache is not brought from memory twice. Returns the checksum.
uint64_t write_piece(std::span<const std::byte> data, const ShardOptions& options, FileOut& file) {
  constexpr size_t kPart = size_t{512} << 10;
  Hash hash;
  while (!data.empty()) {
    const auto part = data.first(std::min(kPart, data.size()));
    data = data.subspan(part.size());
    if (options.wait_for) {
      options.wait_for(part.data() + part.size());
    }
    hash.add(part);
    file.write(part);
  }
  return hash.value();
}

}  // namespace

uint64_t shard_bytes(const std::vector<ShardPiece>& pieces) {
  return head_of(pieces).size() + data_bytes(pieces);
}

Index write_shard(const std::filesystem::path& folder,
                  const std::string& name,
                  const std::vector<ShardPiece>& pieces,
                  const ShardOptions& options) {
  const std::string head = head_of(pieces);
  const uint64_t bytes = head.size() + data_bytes(pieces);
  Index out;
  out.files[name] = {bytes, hash_of(head)};
  FileOut file(
      folder / name, bytes, Place::kInFolder, bytes < 4 * options.block ? 0 : options.block);
  file.write(head);
  for (const ShardPiece& piece : pieces) {
    IndexedTensor entry = entry_of(piece, name);
    entry.chunks.front().hash = write_piece({piece.data, bytes_of(piece)}, options, file);
    out.tensors.push_back(std::move(entry));
  }
  file.commit();
  return out;
}

}  // namespace strata::checkpoint
