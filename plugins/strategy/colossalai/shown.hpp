// Settings in words.
#pragma once

#include <string>

#include "settings.hpp"

namespace strata::colossalai {

std::string shown(const Settings& settings);

}  // namespace strata::colossalai
