// What a checkpoint holds, for comparing.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "strata/cpp/dtype.hpp"

#include "checkpoint/checkpoint_reader.hpp"

namespace strata::test {

/// Bytes by name, checked against their checksums. ranks: with what belongs to single ranks.
inline std::map<std::string, std::string> stored_tensors(const std::filesystem::path& checkpoint,
                                                         bool ranks) {
  const checkpoint::CheckpointReader reader(checkpoint);
  reader.verify();
  std::map<std::string, std::string> out;
  for (size_t i = 0; i < reader.tensors().size(); ++i) {
    const checkpoint::StoredTensor& t = reader.tensors()[i];
    if (ranks || reader.kind(i) != checkpoint::Kind::kRank) {
      std::string& bytes = out[t.name];
      bytes.resize(static_cast<size_t>(t.elements() * size_of(t.dtype)));
      reader.read(i, 0, t.elements(), bytes.data());
    }
  }
  return out;
}

/// The names of those that are not the same in both, or in one alone.
inline std::string differences(const std::filesystem::path& a,
                               const std::filesystem::path& b,
                               bool ranks = true) {
  const auto of_a = stored_tensors(a, ranks);
  auto of_b = stored_tensors(b, ranks);
  std::string out;
  for (const auto& [name, bytes] : of_a) {
    const auto found = of_b.find(name);
    out += found != of_b.end() && found->second == bytes ? "" : name + " ";
    of_b.erase(name);
  }
  for (const auto& [name, bytes] : of_b) {
    out += name + " ";
  }
  return out;
}

}  // namespace strata::test
