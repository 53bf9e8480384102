// References in texts: `{{_base_.a.b}}`, `{{ a.b.c }}`, `{{$NAME:default}}`, `{{ fileDirname }}`.
#pragma once

#include <filesystem>
#include <optional>

#include "config/value.hpp"

namespace strata::config {

/// What the local references of one file may see.
struct FileScope {
  std::filesystem::path file;
  const Value* bases = nullptr;  // merged bases of the file; nullptr: it has none
};

/// Resolves what depends on the file a text stands in: `_base_`, environment and file names.
///
/// A text that is wholly one reference takes the type of what it refers to (environment values are
/// read as --cfg-options are); inside a longer text the value stands as text. Nothing is returned,
/// or a table's entry removed, when the value is `None`. References to the final tree are left for
/// later. Errors: STRATA_E_CONFIG at the text: a variable without value and default, an unknown
/// name.
std::optional<Value> resolve_local(Value value, const FileScope& scope);

/// Resolves the references to the final tree, whatever their order, and unescapes `\{{`. Wants a
/// sealed tree. Errors: STRATA_E_CONFIG at the text: an unknown name with the nearest known one, a
/// circle with its chain.
void resolve_final(Value& root);

}  // namespace strata::config
