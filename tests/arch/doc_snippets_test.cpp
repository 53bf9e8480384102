// What the documentation shows as code of a file is that file's code, to the letter.
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace strata::arch {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

struct Snippet {
  std::string file;  ///< from the root of the tree
  std::string text;
};

std::string page_text(const fs::path& file) {
  const std::ifstream in(file, std::ios::binary);
  EXPECT_TRUE(in) << file << " is not there";
  std::ostringstream out;
  out << in.rdbuf();
  return std::move(out).str();
}

/// The fenced blocks below a line "From `path`:".
std::vector<Snippet> snippets_of(const std::string& page) {
  static const std::regex pattern("From `([^`\n]+)`:\n\n```[a-z]*\n([^]*?)```");
  std::vector<Snippet> out;
  for (std::sregex_iterator it(page.begin(), page.end(), pattern), end; it != end; ++it) {
    out.push_back({(*it)[1], (*it)[2]});
  }
  return out;
}

void expect_copied(const fs::path& page, size_t at_least) {
  const fs::path root = STRATA_SOURCE_DIR;
  const std::vector<Snippet> snippets = snippets_of(page_text(root / page));
  EXPECT_GE(snippets.size(), at_least) << page;
  for (const Snippet& snippet : snippets) {
    EXPECT_THAT(page_text(root / snippet.file), HasSubstr(snippet.text))
        << page << " shows other code than " << snippet.file << " has; copy it anew";
  }
}

TEST(DocSnippets, FirstPluginShowsTheExamplesAsTheyAre) {
  expect_copied("docs/sdk/first-plugin.md", 10);
}

TEST(DocSnippets, AreFoundByTheLineThatNamesTheirFile) {
  const auto found = snippets_of("Text.\n\nFrom `a/b.c`:\n\n```c\nint x;\n```\n\n```\nls\n```\n");
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_EQ(found[0].file, "a/b.c");
  EXPECT_EQ(found[0].text, "int x;\n");
  EXPECT_THAT(snippets_of("```c\nint x;\n```\n"), IsEmpty());
}

}  // namespace
}  // namespace strata::arch
