// MMEngine's nine names.
#include "hooks/priority.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>
#include <utility>
#include <vector>

#include "strata/cpp/error.hpp"

#include "config/nearest.hpp"

namespace strata::hooks {
namespace {

using Name = std::pair<std::string_view, int32_t>;

constexpr std::array<Name, 9> kNames = {Name{"HIGHEST", 0},
                                        Name{"VERY_HIGH", 10},
                                        Name{"HIGH", 30},
                                        Name{"ABOVE_NORMAL", 40},
                                        Name{"NORMAL", 50},
                                        Name{"BELOW_NORMAL", 60},
                                        Name{"LOW", 70},
                                        Name{"VERY_LOW", 90},
                                        Name{"LOWEST", 100}};

}  // namespace

std::string priority_name(int32_t priority) {
  const auto* const found = std::ranges::find(kNames, priority, &Name::second);
  return found == kNames.end() ? std::to_string(priority) : std::string(found->first);
}

int32_t parse_priority(const config::Value& value) {
  if (!value.is_text()) {
    const int64_t number = value.as_int();
    if (number < 0 || number > kMaxPriority) {
      throw config_error(value.where(),
                         "a hook's priority is 0 (first) to ",
                         kMaxPriority,
                         " (last), not ",
                         number);
    }
    return static_cast<int32_t>(number);
  }
  std::string name = value.as_text();
  std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::toupper(c); });
  if (const auto* const found = std::ranges::find(kNames, name, &Name::first);
      found != kNames.end()) {
    return found->second;
  }
  std::vector<std::string_view> known;
  known.reserve(kNames.size());
  for (const Name& entry : kNames) {
    known.push_back(entry.first);
  }
  throw config_error(value.where(),
                     "unknown priority \"",
                     value.as_text(),
                     "\" of a hook",
                     config::did_you_mean(name, known));
}

}  // namespace strata::hooks
