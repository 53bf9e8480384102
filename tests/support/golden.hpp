// Files of tests/golden: blocks that begin with `case`, with a line of values for each name.
#pragma once

#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace strata::test {

struct GoldenCase {
  std::string name;
  std::string rest;  // of the `case` line, behind the name
  std::map<std::string, std::vector<std::string>> lines;
};

// Keeps addresses out of the tests' names.
inline void PrintTo(const GoldenCase& golden, std::ostream* out) {
  *out << golden.name;
}

inline std::vector<GoldenCase> golden_cases(const std::string& file) {
  std::ifstream in(STRATA_SOURCE_DIR "/tests/golden/" + file);
  std::vector<GoldenCase> out;
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    std::string first;
    words >> first;
    if (first == "case") {
      GoldenCase& next = out.emplace_back();
      words >> next.name;
      std::getline(words >> std::ws, next.rest);
    } else if (!out.empty()) {
      auto& values = out.back().lines[first];
      for (std::string value; words >> value;) {
        values.push_back(value);
      }
    }
  }
  return out;
}

/// {"a": 1, "b": "x"} as `a = 1`, `b = "x"` on lines of their own.
inline std::string toml_of(const nlohmann::json& table) {
  std::string out;
  for (const auto& [key, value] : table.items()) {
    out += key + " = " + value.dump() + "\n";
  }
  return out;
}

}  // namespace strata::test
