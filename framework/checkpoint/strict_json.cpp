// A parser's events, watched.
#include "checkpoint/strict_json.hpp"

#include <set>
#include <vector>

#include <nlohmann/json.hpp>

#include "strata/cpp/error.hpp"

namespace strata::checkpoint {

using Json = nlohmann::json;

// JSON lets a key come twice, and parsers keep one of them in silence.
Json parse_strictly(std::string_view json_text,
                    int max_depth,
                    const char* what,
                    const Refuse& refuse) {
  std::vector<std::set<std::string>> keys;
  const auto watch = [&](int depth, Json::parse_event_t event, Json& parsed) {
    if (depth > max_depth) {
      refuse(text(what, " is nested deeper than ", max_depth, " levels"));
    }
    if (event == Json::parse_event_t::object_start) {
      keys.emplace_back();
    } else if (event == Json::parse_event_t::object_end) {
      keys.pop_back();
    } else if (event == Json::parse_event_t::key &&
               !keys.back().insert(parsed.get<std::string>()).second) {
      refuse(text("\"", parsed.get<std::string>(), "\" comes twice in ", what));
    }
    return true;
  };
  try {
    return Json::parse(json_text, watch);
  } catch (const Json::exception& e) {
    refuse(text(what, " is not JSON: ", e.what()));
  }
  return {};
}

}  // namespace strata::checkpoint
