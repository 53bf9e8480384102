// One table: name and type.
#include "checkpoint/dtype.hpp"

#include <algorithm>
#include <array>

#include "strata/cpp/dtype.hpp"

namespace strata::checkpoint {
namespace {

struct Row {
  std::string_view name;
  int32_t dtype;
};

constexpr std::array<Row, 9> kRows = {Row{"F64", STRATA_F64},
                                      Row{"F32", STRATA_F32},
                                      Row{"F16", STRATA_F16},
                                      Row{"BF16", STRATA_BF16},
                                      Row{"I64", STRATA_I64},
                                      Row{"I32", STRATA_I32},
                                      Row{"I8", STRATA_I8},
                                      Row{"U8", STRATA_U8},
                                      Row{"BOOL", STRATA_BOOL}};

}  // namespace

std::string_view dtype_name(int32_t dtype) {
  const auto* const row = std::ranges::find(kRows, dtype, &Row::dtype);
  return row == kRows.end() ? std::string_view() : row->name;
}

std::optional<int32_t> dtype_of(std::string_view name) {
  const auto* const row = std::ranges::find(kRows, name, &Row::name);
  return row == kRows.end() ? std::nullopt : std::optional(row->dtype);
}

uint64_t dtype_bytes(int32_t dtype) {
  return dtype_name(dtype).empty() ? 0 : static_cast<uint64_t>(size_of(dtype));
}

}  // namespace strata::checkpoint
