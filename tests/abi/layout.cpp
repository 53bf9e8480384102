// Measures what layout_entries.py found in the headers.
#include "layout.hpp"

#include <cstddef>
#include <sstream>

#include "strata/abi.h"

std::string abi_layout() {
  std::ostringstream out;
  out << "# Layout of the C border on 64-bit little-endian systems.\n"
         "# Made by `build/tests/abi_layout > tests/abi/layout.golden`. A change here breaks "
         "plugins:\n"
         "# raise STRATA_ABI_MINOR with it.\n";
#define HEADER(name) out << "\n" << (name) << "\n";
#define STRUCT(type) out << #type << " size " << sizeof(type) << " align " << alignof(type) << "\n";
#define MEMBER(type, member)                                                                     \
  out << "  " << #member << " at " << offsetof(type, member) << " size " << sizeof(type::member) \
      << "\n";
#define CONSTANT(name) out << #name << " = " << static_cast<long long>(name) << "\n";
#define NUMBER(name) out << #name << " = " << (name) << "\n";
#define ID(name) out << #name << " = \"" << (name) << "\"\n";
#include "layout_entries.inc"
#undef HEADER
#undef STRUCT
#undef MEMBER
#undef CONSTANT
#undef NUMBER
#undef ID
  return out.str();
}
