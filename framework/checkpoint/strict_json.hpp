// JSON out of a file that nobody vouches for.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

namespace strata::checkpoint {

/// Throws the error of whoever reads: what is wrong, as half a sentence.
using Refuse = std::function<void(const std::string& why)>;

/// Parses what is no deeper than max_depth and has no key twice; both are seen before a tree is built of them.
/// what: "its header", for the message. Errors: those of refuse.
nlohmann::json parse_strictly(std::string_view json,
                              int max_depth,
                              const char* what,
                              const Refuse& refuse);

}  // namespace strata::checkpoint
