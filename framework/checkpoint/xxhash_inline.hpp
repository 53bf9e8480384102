// xxHash compiled in, with what every processor of the build's kind has.
#pragma once

#define XXH_INLINE_ALL
#include <xxhash.h>
