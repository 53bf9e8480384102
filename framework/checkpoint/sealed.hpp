// JSON files that tell whether they are as they were written.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace strata::checkpoint {

/// Adds a last member "checksum", of all text before it. json: a table that is not empty.
std::string seal(std::string json);

/// The text of a sealed file. Errors: STRATA_E_IO when it cannot be read, STRATA_E_FAILED when it is not what seal()
/// made; both name the file.
std::string read_sealed(const std::filesystem::path& file);

/// The same for text at hand. Errors: STRATA_E_FAILED with `file`.
void check_seal(std::string_view content, const std::string& file);

}  // namespace strata::checkpoint
