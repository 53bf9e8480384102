// libFuzzer's door to one of the entries, which the build names.
#include <cstddef>
#include <cstdint>

#include "entries.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  strata::fuzz::STRATA_FUZZ_ENTRY(std::as_bytes(std::span(data, size)));
  return 0;
}
