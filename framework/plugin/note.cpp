// Bounds-checked reading of ELF notes. Source: System V ABI, chapters 4 and 5 (ELF header, program
// header, notes).
#include "plugin/note.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <elf.h>
#include <fcntl.h>
#include <string_view>
#include <unistd.h>
#include <vector>

#include <sys/stat.h>

#include "strata/cpp/error.hpp"

namespace strata::plugin {
namespace {

constexpr uint64_t kMaxNotes =
    4U << 20U;  // bytes of one note segment; a manifest has a few hundred
constexpr std::string_view kOwner{"Strata\0", 7};
constexpr uint32_t kManifest = 1;

class File {
 public:
  explicit File(const std::filesystem::path& path)
      : fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
    struct stat info{};

    if (fd_ < 0 || ::fstat(fd_, &info) != 0) {
      const std::string why = std::strerror(errno);
      close();
      throw Error(STRATA_E_IO, text("cannot be read: ", why));
    }
    size_ = S_ISREG(info.st_mode) ? static_cast<uint64_t>(info.st_size) : 0;
  }

  File(const File&) = delete;
  File& operator=(const File&) = delete;

  ~File() { close(); }

  [[nodiscard]] uint64_t size() const { return size_; }

  /// Throws rather than give fewer bytes than asked for.
  [[nodiscard]] std::vector<char> read(uint64_t offset, uint64_t count) const {
    if (offset > size_ || count > size_ - offset) {
      throw config_error("",
                         "the file is cut off: bytes ",
                         offset,
                         " to ",
                         offset + count,
                         " are needed and it has ",
                         size_,
                         "; build or copy it again");
    }
    std::vector<char> bytes(count);
    uint64_t done = 0;
    while (done < count) {
      const ssize_t got =
          ::pread(fd_, bytes.data() + done, count - done, static_cast<off_t>(offset + done));
      if (got < 0 && errno == EINTR) {
        continue;
      }
      if (got <= 0) {
        throw Error(STRATA_E_IO,
                    text("cannot be read: ", got < 0 ? std::strerror(errno) : "it became shorter"));
      }
      done += static_cast<uint64_t>(got);
    }
    return bytes;
  }

 private:
  void close() const {
    if (fd_ >= 0) {
      ::close(fd_);
    }
  }

  int fd_;
  uint64_t size_ = 0;
};

template <class T>
T as(const std::vector<char>& bytes, uint64_t offset = 0) {
  T out;
  std::memcpy(&out, bytes.data() + offset, sizeof(T));
  return out;
}

/// Why these first bytes are not those of a library that could carry a note; empty when they are.
std::string not_a_library(const std::vector<char>& head) {
  if (head.size() < EI_NIDENT || std::memcmp(head.data(), ELFMAG, SELFMAG) != 0) {
    return "not an ELF file";
  }
  if (head[EI_CLASS] != ELFCLASS64 || head[EI_DATA] != ELFDATA2LSB) {
    return "not a 64-bit little-endian ELF file";
  }
  return {};
}

uint64_t aligned(uint64_t size, uint64_t to) {
  return (size + to - 1) / to * to;
}

std::string hex(std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    out += {kDigits[byte >> 4U], kDigits[byte & 15U]};
  }
  return out;
}

/// Keeps what is wanted of one note.
void take(std::string_view owner, uint32_t type, std::string_view text, NoteFile& out) {
  if (owner == kOwner && type == kManifest) {
    out.has_note = true;
    out.text = text;
  } else if (owner == std::string_view("GNU\0", 4) && type == NT_GNU_BUILD_ID) {
    out.content = "build-id:" + hex(text);
  }
}

/// Goes through the notes of one segment.
void take_all(const std::vector<char>& notes, uint64_t align, NoteFile& out) {
  uint64_t at = 0;
  while (notes.size() - at >= sizeof(Elf64_Nhdr)) {
    const auto head = as<Elf64_Nhdr>(notes, at);
    at += sizeof(Elf64_Nhdr);
    const uint64_t left = notes.size() - at;
    const uint64_t owner_bytes = aligned(head.n_namesz, align);
    if (owner_bytes > left || head.n_descsz > left - owner_bytes) {
      throw config_error("",
                         "the ELF note at byte ",
                         at,
                         " of its segment is longer than the segment; build it again");
    }
    take({notes.data() + at, head.n_namesz},
         head.n_type,
         {notes.data() + at + owner_bytes, head.n_descsz},
         out);
    at += std::min(left, owner_bytes + aligned(head.n_descsz, align));
  }
}

/// 64-bit FNV-1a of a whole file. Source: Fowler, Noll, Vo, RFC 9923.
std::string checksum(const File& file) {
  constexpr uint64_t kPiece = 1U << 20U;
  uint64_t hash = 0xcbf29ce484222325;
  for (uint64_t at = 0; at < file.size(); at += kPiece) {
    for (const char c : file.read(at, std::min(kPiece, file.size() - at))) {
      hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    }
  }
  return text("fnv1a:", std::hex, hash);
}

}  // namespace

NoteFile read_note(const std::filesystem::path& path) {
  const File file(path);
  NoteFile out;
  out.why_not = not_a_library(file.read(0, std::min<uint64_t>(file.size(), EI_NIDENT)));
  if (!out.why_not.empty()) {
    return out;
  }

  const auto header = as<Elf64_Ehdr>(file.read(0, sizeof(Elf64_Ehdr)));
  out.machine = header.e_machine;
  if (header.e_phnum > 0 && header.e_phentsize != sizeof(Elf64_Phdr)) {
    throw config_error("",
                       "its ELF program headers have ",
                       header.e_phentsize,
                       " bytes each instead of ",
                       sizeof(Elf64_Phdr),
                       "; build it again");
  }
  const std::vector<char> segments =
      file.read(header.e_phoff, uint64_t{header.e_phnum} * sizeof(Elf64_Phdr));
  for (uint64_t i = 0; i < header.e_phnum; ++i) {
    const auto segment = as<Elf64_Phdr>(segments, i * sizeof(Elf64_Phdr));
    if (segment.p_type != PT_NOTE || segment.p_filesz > kMaxNotes) {
      continue;
    }
    const uint64_t align = segment.p_align == 8 ? 8 : 4;
    take_all(file.read(segment.p_offset, segment.p_filesz), align, out);
  }
  if (!out.has_note) {
    out.why_not = "an ELF file without a note of Strata";
  } else if (out.content.empty()) {
    out.content = checksum(file);
  }
  return out;
}

}  // namespace strata::plugin
