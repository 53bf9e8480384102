// JSON writing.
#include "config/json.hpp"

#include <cmath>

#include <nlohmann/json.hpp>

#include "config/dump.hpp"

namespace strata::config {
namespace {

nlohmann::ordered_json convert(const Value& value) {
  switch (value.kind()) {
    case Kind::kBool:
      return std::get<bool>(value.data());
    case Kind::kInt:
      return std::get<std::int64_t>(value.data());
    case Kind::kFloat: {
      const double number = std::get<double>(value.data());
      return std::isfinite(number) ? nlohmann::ordered_json(number)
                                   : nlohmann::ordered_json(format_inline(value));
    }
    case Kind::kText:
      return std::get<std::string>(value.data());
    case Kind::kList: {
      auto out = nlohmann::ordered_json::array();
      for (const Value& item : std::get<Value::List>(value.data())) {
        out.push_back(convert(item));
      }
      return out;
    }
    case Kind::kTable:
      break;
  }
  auto out = nlohmann::ordered_json::object();
  for (const Entry& entry : std::get<Value::Table>(value.data())) {
    out[entry.key] = convert(entry.value);
  }
  return out;
}

}  // namespace

std::string to_json(const Value& value) {
  return convert(value).dump();
}

}  // namespace strata::config
