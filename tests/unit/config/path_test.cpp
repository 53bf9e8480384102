// Dotted paths.
#include "config/path.hpp"

#include <gmock/gmock.h>

#include "strata/cpp/error.hpp"

namespace strata::config {
namespace {

using testing::ElementsAre;

TEST(Path, SplitsAtDots) {
  EXPECT_THAT(split_path("a.b_c.0"), ElementsAre("a", "b_c", "0"));
}

TEST(Path, TakesQuotedKeysWithDots) {
  EXPECT_THAT(split_path(R"(a."b.c".'d.e'."f\"g")"), ElementsAre("a", "b.c", "d.e", "f\"g"));
}

TEST(Path, RefusesEmptyKeys) {
  for (const char* path : {"", ".", "a.", ".a", "a..b"}) {
    EXPECT_THROW((void)split_path(path), Error) << path;
  }
}

TEST(Path, RefusesAnOpenQuoteAndTextBehindAQuote) {
  EXPECT_THROW((void)split_path("a.\"b"), Error);
  EXPECT_THROW((void)split_path("a.\"b\"c"), Error);
}

TEST(Path, RefusesMoreKeysThanAConfigurationIsDeep) {
  std::string path = "a";
  for (int i = 0; i < kMaxDepth; ++i) {
    path += ".a";
  }

  EXPECT_THROW((void)split_path(path), Error);
}

TEST(Path, QuotesOnlyKeysThatNeedIt) {
  EXPECT_EQ(join_path("", "a-b_1"), "a-b_1");
  EXPECT_EQ(join_path("a", "b.c"), "a.\"b.c\"");
  EXPECT_EQ(join_path("a", ""), "a.\"\"");
  EXPECT_EQ(join_path("a", "größe"), "a.\"größe\"");
}

TEST(Path, EscapesWhatABasicStringCannotHold) {
  EXPECT_EQ(quote_text("a\"b\\c\nd\te\r\x01\x7f"), "\"a\\\"b\\\\c\\nd\\te\\r\\u0001\\u007f\"");
}

}  // namespace
}  // namespace strata::config
