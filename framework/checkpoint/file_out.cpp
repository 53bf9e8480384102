// open, fallocate, write, fsync, rename.
#include "checkpoint/file_out.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>
#include <utility>

#include <sys/stat.h>

#include "strata/cpp/error.hpp"

namespace strata::checkpoint {

void throw_errno(std::string_view what, const std::filesystem::path& path, int error) {
  throw Error(STRATA_E_IO, text(what, " ", path.string(), ": ", std::strerror(error)));
}

std::string host_name() {
  constexpr size_t kLongest = 64;
  std::array<char, kLongest + 1> name{};
  return ::gethostname(name.data(), kLongest) == 0 && name.front() != '\0' ? name.data() : "host";
}

std::filesystem::path aside_of(const std::filesystem::path& path) {
  return path.parent_path() /
         text(".", path.filename().string(), ".tmp-", host_name(), "-", ::getpid());
}

void sync_folder(const std::filesystem::path& folder) {
  const std::filesystem::path here = folder.empty() ? "." : folder;
  const int fd = ::open(here.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) {
    throw_errno("cannot open the folder", here, errno);
  }
  const int error = ::fsync(fd) == 0 ? 0 : errno;
  ::close(fd);
  if (error != 0 && error != EINVAL) {  // some network file systems cannot sync a folder
    throw_errno("cannot sync the folder", here, error);
  }
}

void make_folders(const std::filesystem::path& folder) {
  std::error_code ignored;
  if (folder.empty() || std::filesystem::is_directory(folder, ignored)) {
    return;
  }
  make_folders(folder.parent_path());
  if (::mkdir(folder.c_str(), 0777) != 0) {
    const int error = errno;
    if (!std::filesystem::is_directory(folder, ignored)) {  // another rank may have been faster
      throw_errno("cannot make the folder", folder, error == EEXIST ? ENOTDIR : error);
    }
  }
  sync_folder(folder.parent_path());
}

FileOut::FileOut(std::filesystem::path path, uint64_t bytes, Place place, size_t block)
    : path_(std::move(path)),
      written_at_(place == Place::kAside ? aside_of(path_) : path_),
      bytes_(bytes) {
  fd_ = ::open(written_at_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd_ < 0) {
    throw_errno("cannot create", path_, errno);
  }
  // The destructor does not run for a constructor that throws.
  try {
    if (bytes > 0 && ::fallocate(fd_, FALLOC_FL_KEEP_SIZE, 0, static_cast<off_t>(bytes)) != 0 &&
        (errno == ENOSPC || errno == EFBIG || errno == EDQUOT)) {
      fail(errno);
    }
    blocks_ = block > 0 ? std::make_unique<BlockWriter>(fd_, block) : nullptr;
  } catch (...) {
    ::close(fd_);
    ::unlink(written_at_.c_str());
    throw;
  }
}

FileOut::~FileOut() {
  blocks_.reset();
  if (fd_ >= 0) {
    ::close(fd_);
    ::unlink(written_at_.c_str());
  }
}

void FileOut::fail(int error) const {
  std::error_code unknown;
  const auto space =
      std::filesystem::space(path_.parent_path().empty() ? "." : path_.parent_path(), unknown);
  const std::string free = unknown ? "an unknown number" : std::to_string(space.available);
  throw Error(STRATA_E_IO,
              text("cannot write ",
                   path_.string(),
                   ", which needs ",
                   bytes_,
                   " bytes where ",
                   free,
                   " are free: ",
                   std::strerror(error)));
}

void FileOut::write(std::span<const std::byte> data) {
  if (blocks_) {
    written_ += data.size();
    if (const int error = blocks_->write(data); error != 0) {
      fail(error);
    }
    return;
  }
  while (!data.empty()) {
    const ssize_t n = ::write(fd_, data.data(), data.size());
    if (n < 0 && errno != EINTR) {
      fail(errno);
    }
    const auto done = static_cast<size_t>(n < 0 ? 0 : n);
    data = data.subspan(done);
    written_ += done;
  }
}

void FileOut::write(std::string_view text) {
  write(std::as_bytes(std::span(text)));
}

void FileOut::commit() {
  if (const int error = blocks_ ? blocks_->finish() : 0; error != 0) {
    fail(error);
  }
  if (::fsync(fd_) != 0) {
    fail(errno);
  }
  const int fd = std::exchange(fd_, -1);
  const bool moves = written_at_ != path_;
  if (::close(fd) != 0 || (moves && ::rename(written_at_.c_str(), path_.c_str()) != 0)) {
    const int error = errno;
    ::unlink(written_at_.c_str());
    fail(error);
  }
  if (moves) {
    sync_folder(path_.parent_path());
  }
}

void write_text(const std::filesystem::path& path, std::string_view text) {
  FileOut out(path, text.size());
  out.write(text);
  out.commit();
}

}  // namespace strata::checkpoint
