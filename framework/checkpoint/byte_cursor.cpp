// The parts of ByteCursor that are not taken at every step.
#include "checkpoint/byte_cursor.hpp"

#include "strata/cpp/error.hpp"

namespace strata::checkpoint {

std::string ByteCursor::cut_short(uint64_t count) const {
  return strata::text("it ends where ", count, " more bytes are needed, and ", left(), " are left");
}

std::string_view ByteCursor::line() {
  const std::string_view rest(reinterpret_cast<const char*>(bytes_.data()) + at_, left());
  const size_t length = rest.find('\n');
  if (length == std::string_view::npos) {
    refuse_("it ends in the middle of a line");
  }
  at_ += length + 1;
  return rest.substr(0, length);
}

}  // namespace strata::checkpoint
