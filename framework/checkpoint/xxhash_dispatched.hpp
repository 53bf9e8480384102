// xxHash as a library, which chooses by the processor that it runs on: a third faster with AVX2 or AVX-512.
#pragma once

#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>
// Renames what is called, so after the header.
#include <xxh_x86dispatch.h>
