// Tests of loading: once per file, and refusals of libraries that break their word.
#include "plugin/loader.hpp"

#include <atomic>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "strata/abi/core.h"

#include "border/errors.hpp"
#include "files.hpp"

namespace strata::plugin {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;

// NOLINTNEXTLINE(cppcoreguidelines-avoid-non-const-global-variables): counted by a C function without a context
std::atomic<int> initialised = 0;

int32_t log_enabled(strata_runtime*, int32_t) {
  return 1;
}

void log_write(strata_runtime*, int32_t, strata_str message) {
  initialised += border::view(message) == "init of the raw plugin" ? 1 : 0;
}

const strata_host* test_host() {
  static const strata_log_api log = {STRATA_HDR(strata_log_api), &log_enabled, &log_write};
  static const strata_host host = {
      STRATA_HDR(strata_host), border::error_service(), &log, nullptr, nullptr};
  return &host;
}

Candidate only_plugin_at(const fs::path& path) {
  Found found = scan({path});
  EXPECT_EQ(found.plugins.size(), 1U);
  return found.plugins.at(0);
}

std::string refusal_of(const std::string& plugin) {
  const Folder folder;
  const Candidate candidate = only_plugin_at(folder.add(plugin));
  const std::string message = message_of([&] { load(candidate, test_host()); });
  EXPECT_THAT(message, HasSubstr(candidate.file.string()));
  return message;
}

TEST(PluginLoader, GivesTheTableAndTheTypes) {
  const Folder folder;
  const Loaded& loaded = load(only_plugin_at(folder.add("plugin_raw")), test_host());

  ASSERT_EQ(loaded.types.size(), 1U);
  EXPECT_EQ(border::view(loaded.type("RawHook")->kind), "hook");
  EXPECT_EQ(loaded.type("rawhook"), nullptr);
  EXPECT_EQ(loaded.table->type_count(), 1U);
}

TEST(PluginLoader, InitialisesAFileOnceWhateverItsName) {
  const Folder folder;
  const fs::path file = folder.add("plugin_raw");
  fs::create_hard_link(file, folder.path() / "hard.so");
  const int before = initialised;

  const Loaded& first = load(only_plugin_at(file), test_host());
  const Loaded& second = load(only_plugin_at(folder.path() / "hard.so"), test_host());

  EXPECT_EQ(&first, &second);
  EXPECT_EQ(initialised - before, 1);
}

TEST(PluginLoader, InitialisesOnceWhenSeveralThreadsLoad) {
  const Folder folder;
  const Candidate candidate = only_plugin_at(folder.add("plugin_raw"));
  const int before = initialised;

  std::vector<std::thread> threads;
  threads.reserve(8);
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] { load(candidate, test_host()); });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }

  EXPECT_EQ(initialised - before, 1);
}

TEST(PluginLoader, GivesTheReadableNameOfAMissingSymbol) {
  EXPECT_THAT(
      refusal_of("plugin_missing_symbol"),
      AllOf(HasSubstr("undefined symbol: _ZN4acme6kernelEi"), HasSubstr("acme::kernel(int)")));
}

TEST(PluginLoader, RefusesALibraryWithoutTheEntry) {
  EXPECT_THAT(refusal_of("plugin_no_entry"), HasSubstr("no symbol strata_plugin_entry_v0"));
}

TEST(PluginLoader, RefusesATableThatIsNull) {
  EXPECT_THAT(refusal_of("plugin_null_table"), HasSubstr("returned NULL"));
}

TEST(PluginLoader, RefusesATableThatIsTooShort) {
  EXPECT_THAT(refusal_of("plugin_short_table"), HasSubstr("struct_size of its table is 16"));
}

TEST(PluginLoader, RefusesATableOfAnotherVersionThanItsNote) {
  EXPECT_THAT(refusal_of("plugin_other_abi"),
              HasSubstr("abi of its table is 0." + std::to_string(STRATA_ABI_MINOR + 1)));
}

TEST(PluginLoader, RefusesATableWithoutCreate) {
  EXPECT_THAT(refusal_of("plugin_null_slot"), HasSubstr("create NULL"));
}

TEST(PluginLoader, RefusesTypesThatTheNoteDoesNotName) {
  EXPECT_THAT(refusal_of("plugin_other_type"),
              HasSubstr("its note names the type RawHook of kind hook, its code does not"));
}

TEST(PluginLoader, SaysWhyAPluginRefusedToInitialise) {
  EXPECT_THAT(refusal_of("plugin_init_fails"), HasSubstr("no licence file"));
}

TEST(PluginLoader, DoesNotInitialiseAgainWhatFailedBefore) {
  const Folder folder;
  const Candidate candidate = only_plugin_at(folder.add("plugin_init_fails"));
  const int before = initialised;

  const std::string first = message_of([&] { load(candidate, test_host()); });
  const std::string second = message_of([&] { load(candidate, test_host()); });

  EXPECT_EQ(first, second);
  EXPECT_EQ(initialised - before, 1);
}

TEST(PluginLoader, RefusesASecondHost) {
  const Folder folder;
  const Candidate candidate = only_plugin_at(folder.add("plugin_raw"));
  load(candidate, test_host());
  const strata_host other = *test_host();

  EXPECT_THAT(message_of([&] { load(candidate, &other); }), HasSubstr("another host table"));
}

}  // namespace
}  // namespace strata::plugin
