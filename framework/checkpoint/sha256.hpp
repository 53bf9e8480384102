// SHA-256 of files.
#pragma once

#include <filesystem>
#include <string>

namespace strata::checkpoint {

/// 64 lower-case hexadecimal digits; reads piece by piece. Errors: STRATA_E_IO naming the file.
std::string sha256_of(const std::filesystem::path& file);

}  // namespace strata::checkpoint
