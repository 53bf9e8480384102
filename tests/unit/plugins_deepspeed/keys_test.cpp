// The table of keys itself: complete, without contradictions, with defaults that are the struct's.
#include "settings/keys.hpp"

#include <set>

#include "loaded.hpp"

namespace strata::deepspeed {
namespace {

std::string name_of(const Key& key) {
  return joined(key.section, key.name);
}

/// {"a": {"b": value}} for the path a.b.
std::string at(const std::string& path, const std::string& value) {
  const size_t dot = path.find('.');
  if (dot == std::string::npos) {
    return "{\"" + path + "\": " + value + "}";
  }
  return "{\"" + path.substr(0, dot) + "\": " + at(path.substr(dot + 1), value) + "}";
}

/// A value that is not the default and that the key's kind and range allow.
std::string another(const Key& key) {
  const std::string fallback = key.fallback;
  switch (key.kind) {
    case Kind::kBool:
      return fallback == "true" ? "false" : "true";
    case Kind::kInt:
    case Kind::kFloat:
      return fallback == "3" ? "2" : "3";
    case Kind::kText:
      return "\"other\"";
    case Kind::kNames:
      return "[\"other\"]";
    default:
      return R"({"enabled": true, "deepcompile": true})";
  }
}

/// What is read, without what is said of it.
DeepSpeedConfig settings(const std::string& text) {
  DeepSpeedConfig config = json(text).config;
  config.warnings.clear();
  config.batch_where.clear();
  return config;
}

TEST(DeepSpeedKeys, AreEachThereOnce) {
  std::set<std::string> seen;
  for (const Key& key : keys()) {
    EXPECT_TRUE(seen.insert(name_of(key)).second) << name_of(key);
  }
  EXPECT_GT(seen.size(), 200);
}

TEST(DeepSpeedKeys, StandInSectionsThatExist) {
  for (const Key& key : keys()) {
    const std::string section = key.section;
    if (section.empty()) {
      continue;
    }
    const size_t dot = section.rfind('.');
    const std::string parent = dot == std::string::npos ? "" : section.substr(0, dot);
    const Key* owner = find_key(parent, section.substr(dot == std::string::npos ? 0 : dot + 1));
    ASSERT_NE(owner, nullptr) << section;
    EXPECT_EQ(owner->fate, Fate::kSection) << section;
  }
}

TEST(DeepSpeedKeys, OldNamesLeadToKeysThatExist) {
  for (const Key& key : keys()) {
    if (key.fate == Fate::kRenamed || key.fate == Fate::kAlias) {
      const Key* target = find_key(key.section, key.target);
      ASSERT_NE(target, nullptr) << name_of(key);
      EXPECT_NE(target->fate, Fate::kRenamed) << name_of(key);
    }
  }
}

TEST(DeepSpeedKeys, HonouredOnesHaveTheStructsDefault) {
  for (const Key& key : keys()) {
    if (key.fate == Fate::kHonoured && *key.fallback != '\0') {
      EXPECT_EQ(settings(at(name_of(key), key.fallback)), settings("{}")) << name_of(key);
    }
  }
}

TEST(DeepSpeedKeys, HonouredOnesAreReadIntoTheStruct) {
  for (const Key& key : keys()) {
    const std::string allowed = key.allowed;
    if (key.fate != Fate::kHonoured || key.kind == Kind::kAny ||
        allowed.find('|') != std::string::npos) {
      continue;  // choices have tests of their own
    }
    EXPECT_NE(settings(at(name_of(key), another(key))), settings("{}")) << name_of(key);
  }
}

TEST(DeepSpeedKeys, WithTheirDefaultsNothingIsSaid) {
  for (const Key& key : keys()) {
    if (*key.fallback != '\0') {
      EXPECT_THAT(json(at(name_of(key), key.fallback)).config.warnings, IsEmpty()) << name_of(key);
    }
  }
}

TEST(DeepSpeedKeys, IgnoredOnesAreWarnedOfWithTheReason) {
  for (const Key& key : keys()) {
    if (key.fate == Fate::kIgnored && *key.allowed == '\0') {
      EXPECT_THAT(json(at(name_of(key), another(key))).config.warnings,
                  ElementsAre(testing::AllOf(HasSubstr("ds_config.json:1"),
                                             HasSubstr(name_of(key)),
                                             HasSubstr("has no effect"),
                                             HasSubstr(key.note))))
          << name_of(key);
    }
  }
}

TEST(DeepSpeedKeys, RefusedOnesAreErrorsWithTheReason) {
  for (const Key& key : keys()) {
    if (key.fate == Fate::kRefused) {
      EXPECT_THAT(refusal(at(name_of(key), another(key))),
                  testing::AllOf(HasSubstr("ds_config.json:1"),
                                 HasSubstr(name_of(key)),
                                 HasSubstr("not supported"),
                                 HasSubstr(key.note)))
          << name_of(key);
    }
  }
}

TEST(DeepSpeedKeys, EveryOneHasANote) {
  for (const Key& key : keys()) {
    EXPECT_TRUE(*key.note != '\0' || std::string(key.name) == "enabled") << name_of(key);
  }
}

TEST(DeepSpeedKeys, AWrongKindIsAnErrorThatSaysWhatIsWanted) {
  for (const Key& key : keys()) {
    const bool checks =
        key.fate == Fate::kHonoured || key.fate == Fate::kIgnored || key.fate == Fate::kRefused;
    if (checks && key.kind != Kind::kAny) {
      EXPECT_THAT(refusal(at(name_of(key), "[[]]")), HasSubstr(" must be ")) << name_of(key);
    }
  }
}

TEST(DeepSpeedKeys, AutoIsTheDefaultEverywhere) {
  for (const Key& key : keys()) {
    if (key.fate == Fate::kHonoured && key.kind != Kind::kAny) {
      const std::string text = at(name_of(key), "\"auto\"");
      EXPECT_EQ(settings(text), settings("{}")) << name_of(key);
      EXPECT_THAT(json(text).config.warnings, ElementsAre(HasSubstr("\"auto\""))) << name_of(key);
    }
  }
}

}  // namespace
}  // namespace strata::deepspeed
