// Names by patterns, in Python's manner.
#include "train/weight_rules.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "strata/cpp/error.hpp"

#include "config/parse.hpp"

namespace strata::train {
namespace {

using ::testing::HasSubstr;

std::string revised_by(const std::string& toml, const std::string& name) {
  const config::Value list = config::parse_toml_value(toml, {});
  return revised(name, read_revisions(list));
}

std::string refusal(const std::string& toml) {
  try {
    revised_by(toml, "name");
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), STRATA_E_CONFIG);
    return e.message();
  }
  return "nothing is refused";
}

TEST(Revisions, DropTheWrappersPrefixWhenNothingIsSaid) {
  EXPECT_EQ(revised("module.fc.weight", default_revisions()), "fc.weight");
  EXPECT_EQ(revised("my.module.fc.weight", default_revisions()), "my.module.fc.weight");
}

TEST(Revisions, ApplyInTurnToAllThatIsFound) {
  EXPECT_EQ(revised_by("[['a', 'b'], ['b', 'c']]", "a.b.a"), "c.c.c");
  EXPECT_EQ(revised_by("[]", "module.a"), "module.a");
}

TEST(Revisions, PutGroupsInAsPythonDoes) {
  EXPECT_EQ(revised_by(R"([['layer(\d+)\.(\w+)', '\2.\1']])", "layer12.weight"), "weight.12");
  EXPECT_EQ(revised_by(R"([['layer(\d+)', 'block\g<1>0']])", "layer1.weight"), "block10.weight");
  EXPECT_EQ(revised_by(R"([['w', '$1\\$&']])", "w"), "$1\\$&");
}

TEST(Revisions, AreRefusedWhenTheyAreNone) {
  EXPECT_THAT(refusal("['a']"), HasSubstr("must be a pair"));
  EXPECT_THAT(refusal("[['a']]"), HasSubstr("must be a pair"));
  EXPECT_THAT(refusal("[['(', 'a']]"), HasSubstr("no regular expression"));
  EXPECT_THAT(refusal("[['(a)', '\\2']]"), HasSubstr("has 1 group(s), so there is no group 2"));
  EXPECT_THAT(refusal("[['a', '\\n']]"), HasSubstr("after \\ comes the number of a group"));
  EXPECT_THAT(refusal("[['a', 'b\\']]"), HasSubstr("after \\ comes the number of a group"));
}

TEST(Revisions, RefuseNamesTooLongForPatterns) {
  EXPECT_THROW(revised(std::string(5000, 'a'), default_revisions()), Error);
}

}  // namespace
}  // namespace strata::train
