// One lock for all processes, a record appended under it.
#include "journal_writer.hpp"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>

namespace strata::test {
namespace {

constexpr int kMaxFiles = 65536;
// By descriptor: 1 + the record that opened it; 0: not watched.
// NOLINTNEXTLINE(cppcoreguidelines-avoid-non-const-global-variables): of the process, as descriptors are
std::atomic<int64_t> handles[kMaxFiles];

int64_t number_from(const char* name) {
  const char* const text = ::getenv(name);
  return text == nullptr ? -1 : std::atoll(text);
}

int descriptor_of(int64_t handle) {
  for (int fd = 0; fd < kMaxFiles; ++fd) {
    if (handles[fd] == handle + 1) {
      return fd;
    }
  }
  return -1;
}

}  // namespace

void give_up(const char* what) {
  std::fprintf(stderr, "file_journal: %s: %s\n", what, std::strerror(errno));
  std::abort();
}

int64_t handle_of(int fd) {
  return fd >= 0 && fd < kMaxFiles ? handles[fd] - 1 : -1;
}

void set_handle(int fd, int64_t handle) {
  if (fd >= kMaxFiles) {
    give_up("a descriptor too large");
  }
  handles[fd] = handle + 1;
}

JournalWriter* JournalWriter::get() {
  static JournalWriter* const journal = ::getenv(kJournalFile) == nullptr
                                            ? nullptr
                                            : new JournalWriter;  // lives as long as the program
  return journal;
}

JournalWriter::JournalWriter()
    : folder_(::getenv(kWatchFolder)),
      kill_at_(number_from(kKillAt)),
      fail_at_(number_from(kFailAt)),
      fail_from_(number_from(kFailFrom)),
      error_(number_from(kFailErrno)),
      fail_path_(::getenv(kFailPath) == nullptr ? "" : ::getenv(kFailPath)),
      exchanges_(number_from(kNoExchange) != 1) {}

int64_t JournalWriter::record(Record& draft, const Act& act) {
  const std::scoped_lock here(mutex_);
  reopen_after_fork();
  while (::flock(fd_, LOCK_EX) != 0) {
  }
  const int64_t number = *count_;
  if (number == kill_at_) {
    kill_in(draft);
  }
  int64_t result = -1;
  if (fails(number, draft)) {
    draft.error = static_cast<int>(error_);
    if (draft.op == FileOp::kClose) {
      act(number);  // the descriptor is gone even so
    }
  } else {
    result = act(number);
    draft.error = result < 0 ? errno : 0;
  }
  if (draft.handle >= 0 && !draft.path.empty()) {
    paths_[draft.handle] = draft.path;
  }
  append(draft);
  ::flock(fd_, LOCK_UN);
  errno = draft.error;
  return result;
}

// A child must not share its parent's lock.
void JournalWriter::reopen_after_fork() {
  if (owner_ == ::getpid()) {
    return;
  }
  owner_ = ::getpid();
  const char* const file = ::getenv(kJournalFile);
  fd_ = real(::open, "open")(file, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (fd_ < 0 || ::flock(fd_, LOCK_EX) != 0) {
    give_up("cannot open the journal");
  }
  struct stat info = {};
  if (::fstat(fd_, &info) == 0 && info.st_size == 0) {
    const int64_t none = 0;
    put(&none, sizeof(none));
  }
  void* const page = ::mmap(nullptr, sizeof(int64_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
  if (page == MAP_FAILED) {
    give_up("cannot map the journal");
  }
  count_ = static_cast<int64_t*>(page);
  ::flock(fd_, LOCK_UN);
}

bool JournalWriter::fails(int64_t number, const Record& draft) const {
  if (number != fail_at_ && (fail_from_ < 0 || number < fail_from_)) {
    return false;
  }
  const auto opened = paths_.find(draft.handle);
  const std::string& path = opened == paths_.end() ? draft.path : opened->second;
  if (!std::regex_search(path, fail_path_)) {
    return false;
  }
  switch (draft.op) {
    case FileOp::kMark:
      return false;
    case FileOp::kOpen:
    case FileOp::kSync:
    case FileOp::kClose:
      return error_ == EIO;
    case FileOp::kTruncate:
    case FileOp::kUnlink:
    case FileOp::kRemoveFolder:
      return error_ != ENOSPC;  // these give space
    default:
      return true;
  }
}

void JournalWriter::kill_in(Record& draft) {
  if (draft.op == FileOp::kWrite && draft.data.size() > 1) {
    draft.data.resize(draft.data.size() / 2);
    const int fd = descriptor_of(draft.handle);
    draft.offset = draft.offset >= 0 ? draft.offset : ::lseek(fd, 0, SEEK_CUR);
    if (real(::pwrite, "pwrite")(fd, draft.data.data(), draft.data.size(), draft.offset) > 0) {
      append(draft);
    }
  }
  ::kill(::getpid(), SIGKILL);
  for (;;) {
    ::pause();
  }
}

void JournalWriter::append(const Record& record) {
  const RecordHead head = {record.op,
                           record.error,
                           record.handle,
                           record.offset,
                           static_cast<uint32_t>(record.path.size()),
                           static_cast<uint32_t>(record.path2.size()),
                           record.data.size()};
  std::string bytes(reinterpret_cast<const char*>(&head), sizeof(head));
  bytes += record.path + record.path2 + record.data;
  put(bytes.data(), bytes.size());
  ++*count_;
}

void JournalWriter::put(const void* data, size_t bytes) const {
  if (real(::write, "write")(fd_, data, bytes) != static_cast<ssize_t>(bytes)) {
    give_up("cannot write the journal");
  }
}

}  // namespace strata::test
