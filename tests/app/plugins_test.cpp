// Plugins that a configuration names and that must not be used: the message says why.
#include "strata/abi/core.h"

#include "scene.hpp"

namespace strata::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

const std::string kMinor = "minor = " + std::to_string(STRATA_ABI_MINOR) + "\n";  // in a note
constexpr const char* kPlugins = "[plugins]\npaths = [\"plugins\"]\n";

class Plugins : public Scene {
 protected:
  Plugins() {
    fs::create_directory(path("plugins"));
    fs::permissions(path("plugins"), fs::perms::owner_all);
  }

  /// Adam's plugin in the scene's folder, with each `from` written as `to`, of the same length.
  void add_copy(const std::vector<std::pair<std::string, std::string>>& edits) const {
    std::string bytes = read_text(fs::path(STRATA_PLUGIN_DIR) / "optimizer_adam.so");
    for (const auto& [from, to] : edits) {
      ASSERT_EQ(from.size(), to.size());
      size_t at = bytes.find(from);
      ASSERT_NE(at, std::string::npos) << "the plugin has no " << from;
      for (; at != std::string::npos; at = bytes.find(from, at)) {
        bytes.replace(at, from.size(), to);
      }
    }
    write_text(copy(), bytes);
  }

  [[nodiscard]] fs::path copy() const { return path("plugins/copy.so"); }

  /// What a run does that asks for an optimizer of this table.
  [[nodiscard]] Outcome run_with(const std::string& optimizer) const {
    return run_strata({"train",
                       config(std::string(kThreeIterations) + kPlugins +
                              "[optim_wrapper]\noptimizer = { " + optimizer + " }\n")});
  }

  /// Its message, when it has to be refused.
  [[nodiscard]] std::string refusal_of(const std::string& optimizer) const {
    const Outcome outcome = run_with(optimizer);
    EXPECT_EQ(outcome.code, 2) << outcome.err;
    EXPECT_FALSE(fs::exists(path("work_dirs")));
    return outcome.err;
  }
};

// In the note, and in the table that the code registers.
const std::vector<std::pair<std::string, std::string>> kNewNames = {
    {"\"AdamW\"", "\"AdamX\""}, {std::string("\0AdamW\0", 7), std::string("\0AdamX\0", 7)}};

TEST_F(Plugins, AreUsedFromAFolderThatTheConfigNames) {
  add_copy(kNewNames);

  const Outcome outcome = run_with("type = \"AdamX\"");

  EXPECT_EQ(outcome.code, 0) << outcome.err;
}

TEST_F(Plugins, InAFolderThatEveryoneMayWriteAreRefused) {
  add_copy(kNewNames);
  fs::permissions(path("plugins"), fs::perms::all);

  EXPECT_THAT(refusal_of("type = \"AdamX\""),
              AllOf(HasSubstr("run.toml:8:"),
                    HasSubstr("unknown optimizer type \"AdamX\""),
                    HasSubstr(copy().string() + " has it and is refused"),
                    HasSubstr("writable by everyone"),
                    HasSubstr("chmod o-w")));
}

TEST_F(Plugins, OfAnotherAbiAreRefused) {
  add_copy({{"\"AdamW\"", "\"AdamX\""}, {kMinor, "minor = 9\n"}});

  EXPECT_THAT(refusal_of("type = \"AdamX\""),
              AllOf(HasSubstr(copy().string() + " has it and is refused"),
                    HasSubstr("built for 0.9"),
                    HasSubstr("build it again")));
}

TEST_F(Plugins, WithADamagedNoteAreRefused) {
  add_copy({{"\"AdamW\"", "\"AdamX\""}, {kMinor, "minor ? 1\n"}});

  EXPECT_THAT(refusal_of("type = \"AdamX\""),
              AllOf(HasSubstr("unknown optimizer type \"AdamX\"; did you mean \"Adam\"?"),
                    HasSubstr("refused: " + copy().string())));
}

TEST_F(Plugins, WhoseCodeLacksWhatTheNoteSaysAreRefused) {
  add_copy({{"\"AdamW\"", "\"AdamX\""}});

  EXPECT_THAT(refusal_of("type = \"AdamX\""), AllOf(HasSubstr("run.toml:8:"), HasSubstr("AdamX")));
}

TEST_F(Plugins, WithoutANoteAreListedAsNotUsed) {
  write_text(copy(), "no library");
  Start start = strata({"plugin", "list"});
  start.env.emplace_back("STRATA_PLUGIN_PATH", path("plugins").string());

  const Outcome outcome = run(start);

  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("not used: " + copy().string()));
}

TEST_F(Plugins, WithOneTypeNameAreRefusedUntilTheConfigChooses) {
  add_copy({{"strata.optimizer.adam", "vendor.optimizer.adam"}});

  EXPECT_THAT(refusal_of("type = \"AdamW\""),
              AllOf(HasSubstr("run.toml:8:"),
                    HasSubstr("\"AdamW\" is in 2 plugins"),
                    HasSubstr(copy().string()),
                    HasSubstr("plugin = \"vendor.optimizer.adam\"")));
  const Outcome chosen = run_with(R"(type = "AdamW", plugin = "vendor.optimizer.adam")");
  EXPECT_EQ(chosen.code, 0) << chosen.err;
}

}  // namespace
}  // namespace strata::test
