// The note's TOML.
#include "plugin/manifest.hpp"

#include <algorithm>

#include "strata/cpp/error.hpp"

#include "config/parse.hpp"
#include "config/value.hpp"

namespace strata::plugin {
namespace {

bool is_name(std::string_view text) {
  constexpr size_t kMaxLength = 200;
  const auto known = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
  };
  return !text.empty() && text.size() <= kMaxLength && std::ranges::all_of(text, known);
}

std::string name_at(const config::Value& table, const char* key) {
  const config::Value& value = table.at(key);
  if (!is_name(value.as_text())) {
    throw config_error(value.where(),
                       key,
                       " is \"",
                       value.as_text(),
                       "\"; it may have letters, digits and . _ - only, and at most 200 of them");
  }
  return value.as_text();
}

std::vector<TypeName> types_of(const config::Value& note) {
  std::vector<TypeName> out;
  for (const config::Value& type : note.at("types").as_list()) {
    out.push_back({name_at(type, "name"), name_at(type, "kind")});
  }
  std::ranges::sort(out);
  const auto twice = std::ranges::adjacent_find(out, {}, &TypeName::name);
  if (twice != out.end()) {
    throw config_error(note.at("types").where(), "the type ", twice->name, " is listed twice");
  }
  return out;
}

Manifest read(const config::Value& note) {
  Manifest out;
  const config::Value& plugin = note.at("plugin");
  out.id = name_at(plugin, "id");
  out.version = plugin.get<std::string>("version");
  out.vendor = plugin.get_or<std::string>("vendor", "");
  out.license = plugin.get_or<std::string>("license", "");
  out.doc = plugin.get_or<std::string>("doc", "");
  out.abi_major = note.get<int>("abi.major");
  out.abi_minor = note.get<int>("abi.minor");
  out.sdk = note.get_or<std::string>("abi.sdk", "");
  out.tier = note.get<std::string>("tier");
  out.torch_build_tag = note.get_or<std::string>("torch.build_tag", "");
  out.types = types_of(note);
  return out;
}

}  // namespace

Manifest parse_manifest(const std::string& text, const std::string& file) {
  try {
    return read(config::parse_toml(text, "note of " + file));
  } catch (const Error& e) {
    throw config_error("", "its note is damaged: ", e.what(), "; build it again");
  }
}

}  // namespace strata::plugin
