// Python's replacements on std::regex.
#include "train/weight_rules.hpp"

#include <cctype>

#include "strata/cpp/error.hpp"

namespace strata::train {
namespace {

[[noreturn]] void refuse(const config::Value& value, const std::string& why) {
  throw config_error(value.where(), value.path(), " = \"", value.as_text(), "\": ", why);
}

std::regex compiled(const config::Value& pattern) {
  try {
    return std::regex(pattern.as_text(), std::regex::ECMAScript);
  } catch (const std::regex_error& e) {
    refuse(pattern, text("this is no regular expression (", e.what(), ")"));
  }
}

// The number of the group that an escape at `at` names; moves `at` behind it.
size_t group_at(const std::string& python, size_t& at, const config::Value& value) {
  const bool named = python.compare(at, 2, "g<") == 0;
  const size_t begin = named ? at + 2 : at;
  size_t end = begin;
  while (end < python.size() && end < begin + 2 &&
         std::isdigit(static_cast<unsigned char>(python[end])) != 0) {
    ++end;
  }
  if (end == begin || (named && (end == python.size() || python[end] != '>'))) {
    refuse(value, R"(after \ comes the number of a group (\1 or \g<1>) or another \)");
  }
  at = named ? end + 1 : end;
  return std::stoul(python.substr(begin, end - begin));
}

// What the escape at `at`, behind its backslash, becomes; moves `at` behind it.
std::string ecma_escape(const config::Value& value, size_t& at, size_t groups) {
  const std::string& python = value.as_text();
  if (at < python.size() && python[at] == '\\') {
    ++at;
    return "\\";
  }
  const size_t group = group_at(python, at, value);
  if (group > groups) {
    refuse(value, text("the pattern has ", groups, " group(s), so there is no group ", group));
  }
  return group == 0 ? "$&" : text("$", group < 10 ? "0" : "", group);
}

std::string ecma_replacement(const config::Value& value, size_t groups) {
  const std::string& python = value.as_text();
  std::string out;
  for (size_t at = 0; at < python.size();) {
    const char c = python[at++];
    if (c == '\\') {
      out += ecma_escape(value, at, groups);
    } else {
      out += c == '$' ? "$$" : std::string(1, c);
    }
  }
  return out;
}

}  // namespace

std::vector<KeyRevision> default_revisions() {
  std::vector<KeyRevision> out;
  out.push_back({std::regex("^module\\."), ""});
  return out;
}

std::vector<KeyRevision> read_revisions(const config::Value& list) {
  std::vector<KeyRevision> out;
  for (const config::Value& pair : list.as_list()) {
    if (!pair.is_list() || pair.size() != 2) {
      throw config_error(pair.where(),
                         pair.path(),
                         R"( must be a pair [pattern, replacement], as ["^module\\.", ""])");
    }
    const config::Value& pattern = pair.as_list()[0];
    const config::Value& replacement = pair.as_list()[1];
    std::regex compiled_pattern = compiled(pattern);
    const size_t groups = compiled_pattern.mark_count();
    out.push_back({std::move(compiled_pattern), ecma_replacement(replacement, groups)});
  }
  return out;
}

std::string revised(const std::string& name, const std::vector<KeyRevision>& revisions) {
  constexpr size_t kMaxName = 4096;  // std::regex takes stack for every character
  if (name.size() > kMaxName) {
    throw Error(STRATA_E_FAILED,
                text("a stored tensor has a name of ",
                     name.size(),
                     " characters, which begins with ",
                     name.substr(0, 40)));
  }
  std::string out = name;
  for (const KeyRevision& revision : revisions) {
    out = std::regex_replace(out, revision.pattern, revision.replacement);
  }
  return out;
}

}  // namespace strata::train
