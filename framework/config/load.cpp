// Loading: bases first, then the file over them, then options, then references.
#include "config/load.hpp"

#include <algorithm>
#include <vector>

#include "strata/cpp/error.hpp"

#include "config/merge.hpp"
#include "config/overrides.hpp"
#include "config/parse.hpp"
#include "config/references.hpp"

namespace strata::config {
namespace {

namespace fs = std::filesystem;

constexpr const char* kBase = "_base_";

/// Loads one file over its bases and remembers which files are being loaded, to find circles.
class FileLoader {
 public:
  /// entry: where a `_base_` named this file, empty for the user's own.
  Value load(const fs::path& file, const std::string& entry) {
    const fs::path identity = fs::weakly_canonical(file);
    refuse_circle(identity, file, entry);
    open_.push_back({identity, file.string()});

    Value own = parse_file(file);
    Value bases;
    const bool has_bases = own.child(kBase) != nullptr;
    if (has_bases) {
      bases = load_bases(*own.child(kBase), file);
      own.erase(kBase);
    }
    const Value& base_view = bases;
    // A table comes back a table: only a text can vanish.
    own = resolve_local(std::move(own), {file, has_bases ? &base_view : nullptr}).value();
    merge_into(bases, std::move(own));
    open_.pop_back();
    return bases;
  }

 private:
  struct OpenFile {
    fs::path identity;
    std::string shown;
  };

  Value load_bases(const Value& names, const fs::path& file) {
    Value bases;
    if (names.is_list()) {
      for (const Value& name : names.as_list()) {
        join_bases(bases, load_base(name, file));
      }
    } else {
      join_bases(bases, load_base(names, file));
    }
    seal(bases);  // errors of references to them name paths
    return bases;
  }

  Value load_base(const Value& name, const fs::path& file) {
    const std::optional<Value> resolved =
        name.is_text() ? resolve_local(name, {file, nullptr}) : name;
    if (!resolved || !resolved->is_text()) {
      refuse_name(name);
    }
    const fs::path base = (file.parent_path() / resolved->as_text()).lexically_normal();
    if (!fs::is_regular_file(base)) {
      throw config_error(name.where(),
                         "_base_ names \"",
                         resolved->as_text(),
                         "\", but there is no file ",
                         base.string(),
                         "; the path is relative to the file that names it");
    }
    return load(base, name.where());
  }

  [[noreturn]] static void refuse_name(const Value& name) {
    throw config_error(name.where(),
                       "_base_ must be a file name or a list of file names, found ",
                       kind_name(name.kind()));
  }

  void refuse_circle(const fs::path& identity,
                     const fs::path& file,
                     const std::string& entry) const {
    auto open = std::ranges::find(open_, identity, &OpenFile::identity);
    if (open == open_.end()) {
      return;
    }
    std::string chain;
    for (; open != open_.end(); ++open) {
      chain += open->shown + " -> ";
    }
    throw config_error(
        entry, "_base_ goes in a circle: ", chain, file.string(), "; take one _base_ out");
  }

  std::vector<OpenFile> open_;
};

}  // namespace

Value load(const fs::path& file, std::span<const std::string> overrides) {
  Value root = FileLoader().load(file, {});
  for (const std::string& option : overrides) {
    apply_override(root, option, {file, nullptr});
  }
  seal(root);
  resolve_final(root);
  seal(root);
  return root;
}

}  // namespace strata::config
