// Texts about plugins.
#include "registry/report.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "strata/cpp/error.hpp"

#include "border/errors.hpp"
#include "config/nearest.hpp"
#include "registry/lookup.hpp"

namespace strata::registry {
namespace {

using plugin::Manifest;
using Row = std::array<std::string, 5>;

/// Columns as wide as their widest entry; the last one is left as it is.
std::string format_rows(const std::vector<Row>& rows) {
  std::array<size_t, 5> widths{};
  for (const Row& row : rows) {
    for (size_t c = 0; c + 1 < row.size(); ++c) {
      widths[c] = std::max(widths[c], row[c].size());
    }
  }
  std::string out;
  for (const Row& row : rows) {
    for (size_t c = 0; c < row.size(); ++c) {
      out += fmt::format("{:<{}}{}", row[c], widths[c], c + 1 < row.size() ? "  " : "\n");
    }
  }
  return out;
}

std::string manifest_text(const Manifest& manifest) {
  const auto line = [](std::string_view name, const std::string& value) {
    return value.empty() ? std::string() : fmt::format("{:<14}{}\n", name, value);
  };
  std::string out = line("plugin", manifest.id) + line("version", manifest.version) +
                    line("vendor", manifest.vendor) + line("license", manifest.license) +
                    line("doc", manifest.doc) +
                    line("abi", fmt::format("{}.{}", manifest.abi_major, manifest.abi_minor)) +
                    line("sdk", manifest.sdk) + line("tier", manifest.tier) +
                    line("LibTorch", manifest.torch_build_tag);
  for (const plugin::TypeName& type : manifest.types) {
    out += line(type.kind, type.name);
  }
  return out;
}

std::string_view kind_text(std::int32_t kind) {
  static constexpr std::array<std::string_view, 8> kNames = {"bool",
                                                             "integer",
                                                             "float",
                                                             "text",
                                                             "list of integers",
                                                             "list of floats",
                                                             "list of texts",
                                                             "any"};
  return kNames.at(static_cast<size_t>(kind));
}

std::string field_text(const config::FieldSpec& field) {
  std::string out = fmt::format("  {}  ({}", field.name, kind_text(field.kind));
  if (field.required) {
    out += ", required";
  } else if (!field.default_text.empty()) {
    out += ", default " + field.default_text;
  }
  if (!field.allowed.empty()) {
    out += ", allowed " + field.allowed;
  }
  return out + ")\n" + (field.doc.empty() ? "" : "      " + field.doc + "\n");
}

std::string type_text(const Type& type) {
  const Manifest& manifest = type.plugin->candidate.manifest;
  std::string out = fmt::format("{} ({})  plugin {} {}\n",
                                type.name(),
                                border::view(type.desc->kind),
                                manifest.id,
                                manifest.version);
  if (type.desc->doc.n > 0) {
    out += fmt::format("{}\n", border::view(type.desc->doc));
  }
  const std::vector<config::FieldSpec> fields = type.fields();
  out += fields.empty() ? "  no keys\n" : "";
  for (const config::FieldSpec& field : fields) {
    out += field_text(field);
  }
  return out;
}

}  // namespace

std::string list(const plugin::Found& found) {
  std::vector<Row> rows;
  for (const plugin::Candidate& candidate : found.plugins) {
    for (const plugin::TypeName& type : candidate.manifest.types) {
      rows.push_back({type.kind,
                      type.name,
                      candidate.manifest.id,
                      candidate.manifest.version,
                      candidate.file.string()});
    }
  }
  std::ranges::sort(rows);
  rows.insert(rows.begin(), {"KIND", "TYPE", "PLUGIN", "VERSION", "FILE"});
  std::string out = format_rows(rows);
  for (const plugin::Refusal& refusal : found.refused) {
    out += fmt::format("\nrefused: {}\n  {}\n", refusal.file.string(), refusal.reason);
  }
  for (const plugin::Skip& skip : found.skipped) {
    out += fmt::format("\nnot used: {} ({})\n", skip.file.string(), skip.reason);
  }
  return out;
}

std::string inspect(const std::filesystem::path& file, plugin::Trust trust) {
  std::error_code failed;
  const std::filesystem::path real = std::filesystem::canonical(file, failed);
  if (failed) {
    throw Error(
        STRATA_E_IO,
        text(file.string(),
             ": ",
             failed.message(),
             file.has_parent_path() || file.has_extension()
                 ? ""
                 : "; a plugin's file is wanted. `strata plugin list` has the files of all types, "
                   "`strata config explain TYPE` the keys of one"));
  }
  const plugin::Found found = plugin::scan({real}, trust);
  const std::string head = fmt::format("{:<14}{}\n", "file", real.string());
  if (!found.plugins.empty()) {
    return head + manifest_text(found.plugins.front().manifest) + "this host would load it\n";
  }
  if (!found.refused.empty()) {
    const plugin::Refusal& refusal = found.refused.front();
    return head + (refusal.manifest ? manifest_text(*refusal.manifest) : "") +
           "refused: " + refusal.reason + "\n";
  }
  return head + "not a plugin: " + found.skipped.front().reason + "\n";
}

std::string describe(const Registry& registry, std::string_view type) {
  const std::vector<Match> matches = types_named(registry.found(), type);
  if (matches.empty()) {
    throw config_error("",
                       "no plugin has the type \"",
                       type,
                       "\"",
                       config::did_you_mean(type, type_names(registry.found(), "")));
  }
  std::string out;
  for (const Match& match : matches) {
    const Type found =
        registry.find({match.type->kind, match.type->name, match.plugin->manifest.id, ""});
    out += (out.empty() ? "" : "\n") + type_text(found);
  }
  return out;
}

}  // namespace strata::registry
