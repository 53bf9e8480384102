// Readers without files.
#include "entries.hpp"

#include <algorithm>
#include <cstdlib>
#include <string>
#include <tuple>
#include <vector>

#include "strata/cpp/error.hpp"

#include "checkpoint/dtype.hpp"
#include "checkpoint/hf_index.hpp"
#include "checkpoint/index.hpp"
#include "checkpoint/pth.hpp"
#include "checkpoint/safetensors_header.hpp"

namespace strata::fuzz {
namespace {

constexpr int64_t kElements = 256;  // read at either end of a tensor

template <class Read>
void expect_refusal_or_end(const Read& read) {
  try {
    read();
  } catch (const Error& e) {
    if (e.code() != STRATA_E_FAILED) {
      std::abort();
    }
  }
}

void read_ends(const checkpoint::PthTensor& tensor) {
  const int64_t all = tensor.info.elements();
  const int64_t count = std::min(all, kElements);
  std::vector<std::byte> out(static_cast<size_t>(count) *
                             checkpoint::dtype_bytes(tensor.info.dtype));
  checkpoint::read_elements(tensor, 0, count, out.data());
  checkpoint::read_elements(tensor, all - count, count, out.data());
}

}  // namespace

void read_safetensors(std::span<const std::byte> bytes) {
  expect_refusal_or_end([&] {
    uint64_t begin = 0;
    const checkpoint::Header header = checkpoint::read_header(bytes, "file", begin);
    for (const checkpoint::TensorInfo& tensor : header.tensors) {
      if (tensor.end > bytes.size() - begin || tensor.begin > tensor.end) {
        std::abort();
      }
    }
  });
}

void read_index(std::span<const std::byte> bytes) {
  expect_refusal_or_end([&] {
    const std::string_view json(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    const checkpoint::Index index = checkpoint::decode_index(json, "file");
    for (const auto& [name, file] : index.files) {
      if (name.empty() || name.front() == '.' || name.find('/') != std::string::npos) {
        std::abort();
      }
    }
    for (const checkpoint::IndexedTensor& tensor : index.tensors) {
      for (const checkpoint::Chunk& chunk : tensor.chunks) {
        std::ignore = checkpoint::chunk_key(tensor, chunk);
      }
    }
  });
}

void read_hf_index(std::span<const std::byte> bytes) {
  expect_refusal_or_end([&] {
    const std::string_view json(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    for (const auto& [tensor, file] : checkpoint::read_weight_map(json, "file")) {
      if (file.empty() || file.front() == '/' || file == ".." || file.starts_with("../")) {
        std::abort();
      }
    }
  });
}

void read_pth(std::span<const std::byte> bytes) {
  expect_refusal_or_end([&] {
    for (const checkpoint::PthTensor& tensor : checkpoint::read_pth(bytes, "file").tensors) {
      read_ends(tensor);
    }
  });
}

}  // namespace strata::fuzz
