// Tests of the configuration as plugins see it.
#include "registry/config_service.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "border/errors.hpp"
#include "border/sinks.hpp"
#include "parts.hpp"

namespace strata::registry {
namespace {

using border::view;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

constexpr const char* kText = R"(on = true
count = 3
whole = 4.0
half = 0.5
name = "zero"
list = [1, 2]
[sub]
key = "deep"
)";

class ConfigServiceTest : public testing::Test {
 protected:
  [[nodiscard]] const strata_node* find(const char* path) const {
    const strata_node* out = nullptr;
    border::check(api_.find(as_node(root_), view(std::string_view(path)), &out));
    return out;
  }

  const strata_config_api& api_ = *config_service();
  const config::Value root_ = parse(kText);
};

TEST_F(ConfigServiceTest, TellsKindsAndSizes) {
  EXPECT_EQ(api_.kind(as_node(root_)), STRATA_NODE_TABLE);
  EXPECT_EQ(api_.size(as_node(root_)), 7U);
  EXPECT_EQ(api_.kind(find("on")), STRATA_NODE_BOOL);
  EXPECT_EQ(api_.kind(find("list")), STRATA_NODE_LIST);
  EXPECT_EQ(api_.size(find("list")), 2U);
  EXPECT_EQ(api_.size(find("name")), 0U);
}

TEST_F(ConfigServiceTest, ReadsValues) {
  int32_t on = 0;
  int64_t count = 0;
  int64_t whole = 0;
  double half = 0;
  strata_str name{};

  EXPECT_EQ(api_.as_bool(find("on"), &on), STRATA_OK);
  EXPECT_EQ(api_.as_int(find("count"), &count), STRATA_OK);
  EXPECT_EQ(api_.as_int(find("whole"), &whole), STRATA_OK);
  EXPECT_EQ(api_.as_float(find("half"), &half), STRATA_OK);
  EXPECT_EQ(api_.as_text(find("name"), &name), STRATA_OK);

  EXPECT_EQ(on, 1);
  EXPECT_EQ(count, 3);
  EXPECT_EQ(whole, 4);
  EXPECT_EQ(half, 0.5);
  EXPECT_EQ(view(name), "zero");
}

TEST_F(ConfigServiceTest, NamesKeyAndPlaceOfAValueOfTheWrongKind) {
  int64_t out = 7;

  EXPECT_EQ(api_.as_int(find("half"), &out), STRATA_E_CONFIG);

  EXPECT_EQ(out, 7);
  EXPECT_THAT(message_of([] { border::check(STRATA_E_CONFIG); }),
              AllOf(StartsWith("a.toml:4:"), HasSubstr("half")));
}

TEST_F(ConfigServiceTest, GivesNullForAnAbsentKey) {
  EXPECT_EQ(find("sub.none"), nullptr);
}

TEST_F(ConfigServiceTest, MarksWhatIsFoundAndNotWhatIsListed) {
  strata_str key{};
  const strata_node* entry = nullptr;
  ASSERT_EQ(api_.entry(as_node(root_), 6, &key, &entry), STRATA_OK);

  EXPECT_EQ(view(key), "sub");
  EXPECT_FALSE(root_.child("sub")->was_read());
  (void)find("sub");
  EXPECT_TRUE(root_.child("sub")->was_read());
  EXPECT_FALSE(root_.child("sub")->child("key")->was_read());
  api_.mark_read(find("sub"));
  EXPECT_TRUE(root_.child("sub")->child("key")->was_read());
}

TEST_F(ConfigServiceTest, ListsEntriesWithTheirKeys) {
  strata_str key{};
  const strata_node* entry = nullptr;
  int64_t second = 0;

  ASSERT_EQ(api_.entry(find("list"), 1, &key, &entry), STRATA_OK);
  EXPECT_EQ(key.n, 0U);
  EXPECT_EQ(api_.as_int(entry, &second), STRATA_OK);
  EXPECT_EQ(second, 2);
  EXPECT_EQ(api_.entry(find("list"), 2, &key, &entry), STRATA_E_ARGUMENT);
}

TEST_F(ConfigServiceTest, TellsThePlace) {
  EXPECT_EQ(view(api_.where(find("sub.key"))), root_.at("sub.key").where());
  EXPECT_THAT(std::string(view(api_.where(find("sub.key")))), StartsWith("a.toml:8:"));
}

TEST_F(ConfigServiceTest, WritesJson) {
  const border::TextSink sink;

  ASSERT_EQ(api_.to_json(find("sub"), sink.c()), STRATA_OK);

  EXPECT_EQ(sink.str(), R"({"key":"deep"})");
}

TEST_F(ConfigServiceTest, AnswersANullNodeWithAnError) {
  int64_t out = 0;

  EXPECT_EQ(api_.as_int(nullptr, &out), STRATA_E_ARGUMENT);
  EXPECT_EQ(api_.kind(nullptr), -1);
  EXPECT_EQ(api_.size(nullptr), 0U);
  EXPECT_EQ(api_.where(nullptr).n, 0U);
}

}  // namespace
}  // namespace strata::registry
