// Slurm's compressed host names.
#include <charconv>
#include <string_view>

#include "strata/cpp/error.hpp"

#include "comm/launch_info.hpp"

namespace strata::comm {
namespace {

constexpr int kMaxHosts = 100'000;

Error not_a_list(const std::string& list, const char* why) {
  return config_error(
      {}, "environment variable SLURM_NODELIST=", list, " is no list of hosts: ", why);
}

int parse_number(std::string_view digits, const std::string& list) {
  int value = 0;
  const auto [rest, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (digits.empty() || error != std::errc() || rest != digits.data() + digits.size() ||
      value < 0) {
    throw not_a_list(list, "a range wants whole numbers, as in node[01-04,7]");
  }
  return value;
}

// Splits at commas that stand outside brackets.
std::vector<std::string_view> split(std::string_view text, const std::string& list) {
  std::vector<std::string_view> parts;
  size_t begin = 0;
  int depth = 0;
  for (size_t i = 0; i <= text.size(); ++i) {
    if (i == text.size() || (text[i] == ',' && depth == 0)) {
      parts.push_back(text.substr(begin, i - begin));
      begin = i + 1;
    } else if (text[i] == '[') {
      ++depth;
    } else if (text[i] == ']') {
      --depth;
    }
    if (depth < 0 || depth > 1) {
      throw not_a_list(list, "brackets come in pairs");
    }
  }
  if (depth != 0) {
    throw not_a_list(list, "a bracket is not closed");
  }
  return parts;
}

// "07" or "07-12", with as many digits as the first has.
std::vector<std::string> expand_range(std::string_view range, const std::string& list) {
  const size_t dash = range.find('-');
  const std::string_view low = range.substr(0, dash);
  const int first = parse_number(low, list);
  const int last =
      dash == std::string_view::npos ? first : parse_number(range.substr(dash + 1), list);
  if (last < first || last - first > kMaxHosts) {
    throw not_a_list(list, "a range runs upwards");
  }
  std::vector<std::string> out;
  for (int number = first; number <= last; ++number) {
    std::string digits = std::to_string(number);
    if (digits.size() < low.size()) {
      digits.insert(0, low.size() - digits.size(), '0');
    }
    out.push_back(digits);
  }
  return out;
}

std::vector<std::string> expand_name(std::string_view name, const std::string& list) {
  const size_t open = name.find('[');
  if (open == std::string_view::npos) {
    return {std::string(name)};
  }
  const size_t close = name.find(']', open);
  std::vector<std::string> starts;
  for (const std::string_view range : split(name.substr(open + 1, close - open - 1), list)) {
    for (const std::string& number : expand_range(range, list)) {
      starts.push_back(std::string(name.substr(0, open)).append(number));
    }
  }
  const std::vector<std::string> tails = expand_name(name.substr(close + 1), list);
  std::vector<std::string> out;
  for (const std::string& start : starts) {
    for (const std::string& tail : tails) {
      out.push_back(start + tail);
    }
  }
  return out;
}

}  // namespace

std::vector<std::string> expand_node_list(const std::string& list) {
  std::vector<std::string> hosts;
  for (const std::string_view name : split(list, list)) {
    if (name.empty()) {
      throw not_a_list(list, "a host has no name");
    }
    for (std::string& host : expand_name(name, list)) {
      hosts.push_back(std::move(host));
    }
  }
  return hosts;
}

}  // namespace strata::comm
