// The layout of the C border as this compiler sees it.
#pragma once

#include <string>

/// One line for each struct (size, alignment), member (offset, size), constant and id.
std::string abi_layout();
