// Loading of plugins.
#include "plugin/loader.hpp"

#include <algorithm>
#include <cstdlib>
#include <cxxabi.h>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include <boost/dll/shared_library.hpp>

#include "strata/cpp/error.hpp"

#include "border/errors.hpp"

namespace strata::plugin {
namespace {

using boost::dll::shared_library;
namespace load_mode = boost::dll::load_mode;

/// One library of this process: loaded, or tried in vain.
struct Slot {
  shared_library library;
  Loaded loaded;
  const strata_host* host = nullptr;
  std::optional<Error> failure;
};

// Leaked on purpose: a library must outlive every object and thread it made, and its own
// destructors at exit must not run between ours.
struct Table {
  std::mutex mutex;
  std::map<std::pair<dev_t, ino_t>, std::unique_ptr<Slot>> slots;
};

Table& process_table() {
  static auto* const table = new Table;
  return *table;
}

/// Adds the readable name of a symbol that the dynamic loader missed.
std::string explain(const std::string& words) {
  constexpr std::string_view kMissing = "undefined symbol: ";
  const size_t at = words.find(kMissing);
  if (at == std::string::npos) {
    return words;
  }
  const size_t begin = at + kMissing.size();
  const std::string symbol = words.substr(begin, words.find_first_of(" ,)", begin) - begin);
  int status = -1;
  const std::unique_ptr<char, decltype(&std::free)> readable(
      abi::__cxa_demangle(symbol.c_str(), nullptr, nullptr, &status), &std::free);
  const std::string name = status == 0 ? text(" (", readable.get(), ")") : "";
  return words + name + "; link the library that has it into the plugin";
}

shared_library open(const std::filesystem::path& file) {
  try {
    return shared_library(file, load_mode::rtld_now | load_mode::rtld_local);
  } catch (const boost::dll::fs::system_error& e) {
    throw config_error("", "it cannot be loaded: ", explain(e.what()));
  }
}

const strata_plugin* find_table(const shared_library& library) {
  if (!library.has(STRATA_PLUGIN_ENTRY)) {
    throw config_error("",
                       "it has no symbol " STRATA_PLUGIN_ENTRY
                       "; use STRATA_PLUGIN(…) in one of its files, and "
                       "do not hide that symbol");
  }
  const auto entry = library.get<const strata_plugin*()>(STRATA_PLUGIN_ENTRY);
  const strata_plugin* table = entry();
  if (table == nullptr) {
    throw config_error("", STRATA_PLUGIN_ENTRY " returned NULL");
  }
  return table;
}

void check_table(const strata_plugin& table) {
  const strata_hdr& h = table.h;
  if (h.struct_size < sizeof(strata_plugin)) {
    throw config_error("",
                       "struct_size of its table is ",
                       h.struct_size,
                       ", must be at least ",
                       sizeof(strata_plugin),
                       "; fill it with STRATA_HDR(strata_plugin)");
  }
  if (h.abi_major != STRATA_ABI_MAJOR || h.abi_minor != STRATA_ABI_MINOR) {
    throw config_error("",
                       "abi of its table is ",
                       h.abi_major,
                       ".",
                       h.abi_minor,
                       ", this host has ",
                       STRATA_ABI_MAJOR,
                       ".",
                       STRATA_ABI_MINOR,
                       "; build it again with this host's SDK");
  }
  if (table.init == nullptr || table.type_count == nullptr || table.type_desc == nullptr ||
      table.create == nullptr) {
    throw config_error("", "its table leaves init, type_count, type_desc or create NULL");
  }
}

std::vector<strata_type_desc> read_types(const strata_plugin& table) {
  constexpr uint32_t kMaxTypes = 10'000;
  const uint32_t count = table.type_count();
  if (count > kMaxTypes) {
    throw config_error("", "type_count() is ", count, ", at most ", kMaxTypes, " are possible");
  }
  std::vector<strata_type_desc> out(count);
  for (uint32_t i = 0; i < count; ++i) {
    out[i].h = STRATA_HDR(strata_type_desc);
    border::check(table.type_desc(i, &out[i]));
    if (out[i].n_fields > 0 && out[i].fields == nullptr) {
      throw config_error("", "type_desc(", i, ") has ", out[i].n_fields, " fields at NULL");
    }
  }
  return out;
}

/// The note says before loading what the code registers; both must be the same set.
void check_against_note(const std::vector<strata_type_desc>& types, const Manifest& manifest) {
  std::vector<TypeName> registered;
  registered.reserve(types.size());
  for (const strata_type_desc& type : types) {
    registered.push_back(
        {std::string(border::view(type.name)), std::string(border::view(type.kind))});
  }
  std::ranges::sort(registered);
  const auto refuse = [](const TypeName& type, const char* has, const char* lacks) {
    throw config_error("",
                       has,
                       " names the type ",
                       type.name,
                       " of kind ",
                       type.kind,
                       ", ",
                       lacks,
                       " does not; let TYPES in its CMake file and STRATA_PLUGIN(…) in its code "
                       "list the same types");
  };
  for (const TypeName& type : manifest.types) {
    if (!std::ranges::binary_search(registered, type)) {
      refuse(type, "its note", "its code");
    }
  }
  for (const TypeName& type : registered) {
    if (!std::ranges::binary_search(manifest.types, type)) {
      refuse(type, "its code", "its note");
    }
  }
}

void load_into(Slot& slot, const Candidate& candidate, const strata_host* host) {
  slot.host = host;
  slot.loaded.candidate = candidate;
  try {
    slot.library = open(candidate.file);
    slot.loaded.table = find_table(slot.library);
    check_table(*slot.loaded.table);
    border::check(slot.loaded.table->init(host));
    slot.loaded.types = read_types(*slot.loaded.table);
    check_against_note(slot.loaded.types, candidate.manifest);
  } catch (const Error& e) {
    slot.failure = config_error("",
                                "the plugin ",
                                candidate.manifest.id,
                                " (",
                                candidate.file.string(),
                                ") is refused: ",
                                e.what());
  }
}

}  // namespace

const strata_type_desc* Loaded::type(std::string_view name) const {
  const auto found = std::ranges::find(
      types, name, [](const strata_type_desc& t) { return border::view(t.name); });
  return found == types.end() ? nullptr : &*found;
}

const Loaded& load(const Candidate& candidate, const strata_host* host) {
  Table& table = process_table();
  const std::scoped_lock lock(table.mutex);
  std::unique_ptr<Slot>& slot = table.slots[{candidate.device, candidate.inode}];
  if (!slot) {
    slot = std::make_unique<Slot>();
    load_into(*slot, candidate, host);
  }
  if (slot->failure) {
    const Error failure = *slot->failure;
    if (!slot->library.is_loaded()) {
      // Nothing holds the file's inode, so another file may get its number.
      table.slots.erase({candidate.device, candidate.inode});
    }
    throw failure;
  }
  if (slot->host != host) {
    throw Error(STRATA_E_ARGUMENT,
                text("the plugin ",
                     candidate.manifest.id,
                     " was loaded with another host table; a process has one"));
  }
  return slot->loaded;
}

}  // namespace strata::plugin
