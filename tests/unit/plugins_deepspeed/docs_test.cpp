// docs/strategies/deepspeed.md lists every key as the table has it.
#include <fstream>
#include <sstream>

#include "loaded.hpp"
#include "settings/keys.hpp"

namespace strata::deepspeed {
namespace {

std::string what_becomes_of(const Key& key) {
  const std::string fallback = key.fallback;
  switch (key.fate) {
    case Fate::kHonoured:
      return "read";
    case Fate::kIgnored:
      return "no effect";
    case Fate::kRefused:
      return fallback.empty() ? "refused" : "refused unless `" + fallback + "`";
    case Fate::kRenamed:
    case Fate::kAlias:
      return text("read as `", key.target, "`");
    default:
      return "accepted";
  }
}

std::string row(const Key& key) {
  const std::string fallback = key.fallback;
  return text("| `",
              joined(key.section, key.name),
              "` | ",
              fallback.empty() ? "" : "`" + fallback + "`",
              " | ",
              what_becomes_of(key),
              " | ",
              key.note,
              " |\n");
}

TEST(DeepSpeedDocs, HaveARowForEveryKey) {
  const std::ifstream in(STRATA_SOURCE_DIR "/docs/strategies/deepspeed.md");
  std::ostringstream page;
  page << in.rdbuf();

  std::string missing;
  for (const Key& key : keys()) {
    if (key.fate != Fate::kSection && page.str().find(row(key)) == std::string::npos) {
      missing += row(key);
    }
  }

  EXPECT_EQ(missing, "") << "put these rows into docs/strategies/deepspeed.md";
}

}  // namespace
}  // namespace strata::deepspeed
