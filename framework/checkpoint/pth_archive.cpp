// Telling the formats of torch.save apart.
#include "checkpoint/pth_archive.hpp"

#include <algorithm>
#include <string_view>

#include "strata/cpp/error.hpp"

namespace strata::checkpoint {
namespace {

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string how_to_rewrite(const std::string& file, bool weights_only) {
  return text("; write it anew: python3 -c 'import torch; torch.save(torch.load(\"",
              file,
              R"(", map_location="cpu", weights_only=)",
              weights_only ? "True" : "False",
              "), \"new.pth\")'",
              weights_only ? "" : " (this runs code out of the file, so only if you trust it)");
}

// Pickles begin with the opcode PROTO; tar archives have their name at a fixed place.
void refuse_older(std::string_view bytes, const std::string& file, const Refuse& refuse) {
  constexpr std::string_view kLegacy("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19",
                                     14);
  constexpr size_t kTarName = 257;
  if (bytes.starts_with(kLegacy)) {
    refuse("it is in the format of torch before 1.6" + how_to_rewrite(file, true));
  }
  if (bytes.size() > kTarName && bytes.substr(kTarName).starts_with("ustar")) {
    refuse("it is in the tar format of torch before 0.2" + how_to_rewrite(file, false));
  }
  if (bytes.starts_with('\x80')) {
    refuse("it is a pickle that torch.save has not written; write the tensors with torch.save");
  }
  if (!bytes.starts_with("PK")) {
    refuse("it is no zip archive, which torch.save writes");
  }
}

// "archive/" of "archive/data.pkl".
std::string folder_in(const ZipFiles& files, const Refuse& refuse) {
  std::string out;
  for (const auto& [name, file] : files) {
    const size_t slash = name.find('/');
    if (slash == std::string_view::npos || name.substr(slash + 1) != "data.pkl") {
      continue;
    }
    if (!out.empty()) {
      refuse(text("it has both ", out, "data.pkl and ", name));
    }
    out = name.substr(0, slash + 1);
  }
  if (out.empty()) {
    refuse("it has no data.pkl, which torch.save writes");
  }
  return out;
}

}  // namespace

PthArchive::PthArchive(std::span<const std::byte> bytes, const std::string& file)
    : refuse_([file](const std::string& why) {
        throw Error(STRATA_E_FAILED, text(file, " cannot be read as a file of torch.save: ", why));
      }) {
  refuse_older(text_of(bytes), file, refuse_);
  files_ = read_zip(bytes, refuse_);
  folder_ = folder_in(files_, refuse_);
  if (files_.contains(folder_ + "constants.pkl")) {
    refuse("it is a TorchScript program; save the model's state_dict() with torch.save");
  }
  if (const auto order = find("byteorder"); order && text_of(*order) != "little") {
    refuse(text("its numbers are of byte order \"",
                text_of(*order).substr(0, 10),
                "\"; load and save it with torch on a little-endian machine"));
  }
}

std::optional<std::span<const std::byte>> PthArchive::find(const std::string& name) const {
  const auto found = files_.find(folder_ + name);
  if (found == files_.end()) {
    return std::nullopt;
  }
  if (!found->second.stored) {
    refuse(text(found->first, " is compressed or encrypted; torch.save stores files as they are"));
  }
  return found->second.bytes;
}

}  // namespace strata::checkpoint
