// What a program did to the files of a folder, one record an operation, in the order in which it was done.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace strata::test {

enum class FileOp : uint32_t {
  kOpen,      // handle is what it opens
  kCreate,    // as kOpen, of a file that was not there
  kTruncate,  // of a handle, to `offset` bytes
  kWrite,     // of a handle, data at offset
  kReserve,   // fallocate: no byte of the content changes
  kSync,      // of a handle: a file's content, a folder's entries
  kClose,
  kRename,    // path -> path2
  kExchange,  // path <-> path2
  kLink,      // path2 is another name of path
  kUnlink,
  kMakeFolder,
  kRemoveFolder,
  kMark,  // no operation: what the program says about itself, in data
};

/// The fixed part of a record; path, path2 and data follow it. Bytes as in memory: reader and writer are of one build.
struct RecordHead {
  FileOp op;
  int32_t error;   // errno of one that failed, and so changed nothing; 0
  int64_t handle;  // number of the record that opened it; -1
  int64_t offset;
  uint32_t path_bytes;
  uint32_t path2_bytes;
  uint64_t data_bytes;
};

struct Record {
  FileOp op = FileOp::kMark;
  int error = 0;
  int64_t handle = -1;
  int64_t offset = 0;
  std::string path;  // relative to the folder; "" is the folder itself
  std::string path2;
  std::string data;
};

/// One line for messages: "12 rename a -> b".
std::string describe(const std::vector<Record>& journal, size_t number);

/// The number of a record is its place. A last one that was cut short by the end of its writer is left out.
std::vector<Record> read_journal(const std::filesystem::path& file);

/// The environment that makes file_journal.so watch a program.
inline constexpr const char* kWatchFolder = "STRATA_TEST_WATCH";    // absolute, without links in it
inline constexpr const char* kJournalFile = "STRATA_TEST_JOURNAL";  // outside of that folder
inline constexpr const char* kKillAt = "STRATA_TEST_KILL_AT";  // record; a write gets half through
inline constexpr const char* kFailAt = "STRATA_TEST_FAIL_AT";  // record
inline constexpr const char* kFailFrom = "STRATA_TEST_FAIL_FROM";    // it and all that follow
inline constexpr const char* kFailErrno = "STRATA_TEST_FAIL_ERRNO";  // the number
inline constexpr const char* kFailPath = "STRATA_TEST_FAIL_PATH";    // only where the path matches
inline constexpr const char* kNoExchange = "STRATA_TEST_NO_EXCHANGE";  // "1": no RENAME_EXCHANGE

}  // namespace strata::test
