// Where the driver's files are, and what its marks promise.
#include "scenario.hpp"

#include <cstdlib>
#include <sstream>
#include <stdexcept>

#include "strata/cpp/error.hpp"

namespace strata::test {

namespace fs = std::filesystem;

namespace {

/// In memory where the system has such a folder: thousands of small files come and go.
fs::path make_folder() {
  const fs::path memory = "/dev/shm";
  std::string name =
      ((fs::is_directory(memory) ? memory : fs::temp_directory_path()) / "strata-crash-XXXXXX")
          .string();
  if (::mkdtemp(name.data()) == nullptr) {
    throw std::runtime_error("cannot make a folder for the test");
  }
  return name;
}

}  // namespace

Scenario::Scenario() : folder_(make_folder()) {
  reset();
}

Scenario::~Scenario() {
  fs::remove_all(folder_);
}

void Scenario::reset() const {
  fs::remove_all(disk());
  fs::remove(folder_ / "journal");
  fs::create_directories(disk());
}

Start Scenario::driver(Environment more, std::vector<std::string> args) const {
  Start out{{CRASH_DRIVER, work_dir().string()}, std::move(more)};
  out.args.insert(out.args.end(), args.begin(), args.end());
  out.env.emplace_back("LD_PRELOAD", FILE_JOURNAL);
  out.env.emplace_back(kWatchFolder, disk().string());
  out.env.emplace_back(kJournalFile, (folder_ / "journal").string());
  // A sanitizer wants to be the first library.
  const char* const asan = ::getenv("ASAN_OPTIONS");
  out.env.emplace_back("ASAN_OPTIONS",
                       text(asan == nullptr ? "" : asan, ":verify_asan_link_order=0"));
  return out;
}

std::vector<Record> Scenario::journal() const {
  return read_journal(folder_ / "journal");
}

std::vector<std::string> leftovers(const fs::path& work_dir) {
  std::vector<std::string> out;
  std::error_code missing;
  for (const auto& entry : fs::directory_iterator(work_dir, missing)) {
    if (std::string name = entry.path().filename().string(); name.starts_with('.')) {
      out.push_back(std::move(name));
    }
  }
  return out;
}

Progress progress_of(const std::vector<Record>& journal, size_t count) {
  Progress out;
  for (size_t i = 0; i < count; ++i) {
    if (journal[i].op != FileOp::kMark) {
      continue;
    }
    std::istringstream words(journal[i].data);
    std::string what;
    std::string name;
    int version = 0;
    words >> what >> version >> name;
    if (what == "published") {
      out.versions[name] = version;
    } else if (what == "removing") {
      out.versions.erase(name);
    } else {
      (what == "last" ? out.last : out.begun) = version;
    }
  }
  return out;
}

std::string complaint(const Found& found, const Progress& progress) {
  if (!found.problem.empty()) {
    return found.problem;
  }
  const auto check = [&](const std::string& what, int version, int promised) {
    return version >= promised && version <= progress.begun ? ""
                                                            : text(what,
                                                                   " is version ",
                                                                   version,
                                                                   ", not one of ",
                                                                   promised,
                                                                   " to ",
                                                                   progress.begun);
  };
  std::string out = check("last_checkpoint", found.last.value_or(0), progress.last);
  for (const auto& [name, version] : progress.versions) {
    const auto stored = found.versions.find(name);
    out += check(name, stored == found.versions.end() ? 0 : stored->second, version);
  }
  return out;
}

}  // namespace strata::test
