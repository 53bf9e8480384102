// Lines of scalars.json.
#include "hooks/scalar_writer.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <string_view>

#include "strata/cpp/error.hpp"
#include "strata/cpp/json.hpp"

namespace strata::hooks {
namespace {

std::string number(std::string_view name, double value) {
  static constexpr std::array<std::string_view, 5> kIntegers = {
      "epoch", "iter", "memory", "comm_bytes", "state_bytes"};
  const bool integer =
      std::ranges::find(kIntegers, name) != kIntegers.end() && std::isfinite(value);
  return integer ? std::to_string(static_cast<int64_t>(value)) : json_float(value);
}

}  // namespace

std::string scalar_line(const Scalars& scalars, int64_t step) {
  std::string out = "{";
  for (const auto& [name, value] : scalars) {
    out += json_text(name) + ": " + number(name, value) + ", ";
  }
  return out + "\"step\": " + std::to_string(step) + "}";
}

ScalarWriter::ScalarWriter(const std::filesystem::path& log_dir, const std::string& timestamp) {
  const std::filesystem::path dir = log_dir / "vis_data";
  files_.push_back({dir / "scalars.json", {}});
  files_.push_back({dir / (timestamp + ".json"), {}});
}

void ScalarWriter::write(const Scalars& scalars, int64_t step) {
  const std::string line = scalar_line(scalars, step) + "\n";
  for (File& file : files_) {
    errno = 0;
    if (!file.out.is_open()) {
      std::error_code ignored;  // the open says what is wrong
      std::filesystem::create_directories(file.path.parent_path(), ignored);
      file.out.open(file.path, std::ios::app);
    }
    file.out << line << std::flush;
    if (!file.out) {
      throw Error(STRATA_E_IO,
                  text("cannot write ", file.path.string(), ": ", std::strerror(errno)));
    }
  }
}

}  // namespace strata::hooks
