// Where the driver's files are, and what its marks promise.
#include "scenario.hpp"

#include <cstdlib>
#include <sstream>

#include "strata/cpp/error.hpp"

namespace strata::test {

namespace fs = std::filesystem;

Scenario::Scenario() {
  reset();
}

void Scenario::reset() const {
  fs::remove_all(disk());
  fs::remove(temp_.path() / "journal");
  fs::create_directories(disk());
}

Start Scenario::driver(Environment more, std::vector<std::string> args) const {
  Start out{{CRASH_DRIVER, work_dir().string()}, std::move(more)};
  out.args.insert(out.args.end(), args.begin(), args.end());
  out.env.emplace_back("LD_PRELOAD", FILE_JOURNAL);
  out.env.emplace_back(kWatchFolder, disk().string());
  out.env.emplace_back(kJournalFile, (temp_.path() / "journal").string());
  // A sanitizer wants to be the first library.
  const char* const asan = ::getenv("ASAN_OPTIONS");
  out.env.emplace_back("ASAN_OPTIONS",
                       text(asan == nullptr ? "" : asan, ":verify_asan_link_order=0"));
  return out;
}

std::vector<Record> Scenario::journal() const {
  return read_journal(temp_.path() / "journal");
}

Progress progress_of(const std::vector<Record>& journal, size_t count) {
  Progress out;
  for (size_t i = 0; i < count; ++i) {
    if (journal[i].op == FileOp::kMark) {
      std::istringstream words(journal[i].data);
      std::string what;
      int version = 0;
      words >> what >> version;
      (what == "published" ? out.published : out.begun) = version;
    }
  }
  return out;
}

std::string complaint(const Found& found, const Progress& progress) {
  if (!found.problem.empty()) {
    return found.problem;
  }
  const int last = found.last.value_or(0);
  if (last < progress.published || last > progress.begun) {
    return text("last_checkpoint leads to version ",
                last,
                "; published: ",
                progress.published,
                ", begun: ",
                progress.begun);
  }
  return "";
}

}  // namespace strata::test
