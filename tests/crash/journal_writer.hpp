// Inside a watched program: does each operation as the next record of the journal.
#pragma once

#include <atomic>
#include <cstdint>
#include <dlfcn.h>
#include <functional>
#include <map>
#include <mutex>
#include <regex>
#include <string>

#include <sys/types.h>

#include "journal.hpp"

namespace strata::test {

/// libc's own function behind ours; `ours` only tells which of those with one name.
template <class F>
F* real(F* /*ours*/, const char* name) {
  return reinterpret_cast<F*>(::dlsym(RTLD_NEXT, name));
}

[[noreturn]] void give_up(const char* what);

/// The record that opened a descriptor; -1 for one that is not watched. Copies of descriptors are not.
int64_t handle_of(int fd);
void set_handle(int fd, int64_t handle);

/// The journal's file, shared by all processes of a program: 8 bytes that count the records, then the records. [any]
class JournalWriter {
 public:
  /// nullptr in a program that is not to be watched.
  static JournalWriter* get();
  JournalWriter(const JournalWriter&) = delete;
  JournalWriter& operator=(const JournalWriter&) = delete;

  /// What an operation does: takes the record's number, returns as libc's functions do.
  using Act = std::function<int64_t(int64_t number)>;

  /// Does `act` as the next record, alone among all threads and processes, and tells it; `act` may still complete the
  /// draft. Instead of it the program is killed, or errno set and -1 returned, as the environment says.
  int64_t record(Record& draft, const Act& act);

  [[nodiscard]] const std::string& folder() const { return folder_; }

  /// Whether renameat2 knows RENAME_EXCHANGE.
  [[nodiscard]] bool exchanges() const { return exchanges_; }

 private:
  JournalWriter();
  ~JournalWriter() = default;
  void reopen_after_fork();
  [[nodiscard]] bool fails(int64_t number, const Record& draft) const;
  [[noreturn]] void kill_in(Record& draft);
  void append(const Record& record);
  void put(const void* data, size_t bytes) const;

  std::string folder_;
  std::mutex mutex_;
  pid_t owner_ = 0;
  int fd_ = -1;
  int64_t* count_ = nullptr;
  int64_t kill_at_;
  int64_t fail_at_;
  int64_t fail_from_;
  int64_t error_;
  std::regex fail_path_;
  bool exchanges_;
  std::map<int64_t, std::string> paths_;  // by handle, of this process
};

}  // namespace strata::test
