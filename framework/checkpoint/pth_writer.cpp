// The pickle first, then storage after storage.
#include <bit>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include <nlohmann/json.hpp>

#include "strata/cpp/error.hpp"

#include "checkpoint/file_out.hpp"
#include "checkpoint/pickle_writer.hpp"
#include "checkpoint/pth.hpp"
#include "checkpoint/tensor_stream.hpp"
#include "checkpoint/zip_writer.hpp"

namespace strata::checkpoint {
namespace {

static_assert(std::endian::native == std::endian::little, "the archive says \"little\"");

constexpr const char* kByteOrder = "little";
constexpr const char* kVersion = "3\n";  // of the archive: torch.save's own since 1.6

bool is_utf8(const std::string& name) {
  try {
    std::ignore = nlohmann::json(name).dump();
    return true;
  } catch (const nlohmann::json::exception&) {
    return false;
  }
}

void check_tensors(std::span<const TensorSource> tensors) {
  std::set<std::string_view> seen;
  for (const TensorSource& tensor : tensors) {
    std::ignore = checked_bytes(tensor);
    const bool again = !seen.insert(tensor.name).second;
    if (again || !is_utf8(tensor.name)) {
      throw Error(STRATA_E_ARGUMENT,
                  text("a torch file cannot hold the name \"",
                       again ? tensor.name : "",
                       again ? "\" twice" : "\", which is not UTF-8"));
    }
  }
}

std::vector<ZipMember> members_of(const std::string& pickle,
                                  std::span<const TensorSource> tensors) {
  const std::string folder = "archive/";
  std::vector<ZipMember> out = {{folder + "data.pkl", pickle.size()},
                                {folder + "byteorder", std::string_view(kByteOrder).size()}};
  for (size_t i = 0; i < tensors.size(); ++i) {
    out.push_back({folder + "data/" + std::to_string(i), checked_bytes(tensors[i])});
  }
  out.push_back({folder + "version", std::string_view(kVersion).size()});
  return out;
}

void write_small(ZipOut& zip, const ZipMember& member, std::string_view content) {
  zip.begin(member);
  zip.write(std::as_bytes(std::span(content)));
  zip.end();
}

}  // namespace

void write_pth(const std::filesystem::path& path, std::span<const TensorSource> tensors) {
  check_tensors(tensors);
  const std::string pickle = pickle_state_dict(tensors);
  const std::vector<ZipMember> members = members_of(pickle, tensors);
  FileOut out(path, zip_bytes(members));
  ZipOut zip([&](std::span<const std::byte> piece) { out.write(piece); });
  write_small(zip, members[0], pickle);
  write_small(zip, members[1], kByteOrder);
  for (size_t i = 0; i < tensors.size(); ++i) {
    const ZipMember& member = members[2 + i];
    zip.begin(member);
    stream_tensor(
        tensors[i], member.bytes, [&](std::span<const std::byte> piece) { zip.write(piece); });
    zip.end();
  }
  write_small(zip, members.back(), kVersion);
  zip.finish();
  out.commit();
}

}  // namespace strata::checkpoint
