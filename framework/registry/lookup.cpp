// Resolution of type names.
#include "registry/lookup.hpp"

#include <algorithm>

#include "strata/cpp/error.hpp"

#include "config/nearest.hpp"

namespace strata::registry {
namespace {

using plugin::Manifest;
using plugin::TypeName;

/// "Zero3" of "acme.Zero3".
std::string_view bare(std::string_view name) {
  return name.substr(name.find('.') + 1);
}

/// A full name means itself; a bare name any vendor's, a vendor's name those its plugins call by
/// the bare one.
bool means(std::string_view asked, const TypeName& type, const Manifest& manifest) {
  return asked == type.name || asked == bare(type.name) ||
         asked == manifest.vendor + "." + type.name;
}

/// Whether the type of a plugin is one that the request may mean.
bool answers(const TypeName& type, const Manifest& manifest, const Request& request) {
  const bool kind = request.kind.empty() || request.kind == type.kind;
  return kind && means(request.type, type, manifest);
}

std::vector<Match> matches(const plugin::Found& found, const Request& request) {
  std::vector<Match> exact;
  std::vector<Match> other;
  for (const plugin::Candidate& candidate : found.plugins) {
    if (!request.plugin.empty() && request.plugin != candidate.manifest.id) {
      continue;
    }
    for (const TypeName& type : candidate.manifest.types) {
      if (answers(type, candidate.manifest, request)) {
        (type.name == request.type ? exact : other).push_back({&candidate, &type});
      }
    }
  }
  return exact.empty() ? other : exact;
}

std::string first_line(const std::string& text) {
  return text.substr(0, text.find('\n'));
}

/// The refused plugins whose note names the type, in full.
std::string refused_with(const plugin::Found& found, const Request& request) {
  std::string out;
  for (const plugin::Refusal& refusal : found.refused) {
    const auto asked_for = [&](const TypeName& type) {
      return type.kind == request.kind && means(request.type, type, *refusal.manifest);
    };
    if (refusal.manifest && std::ranges::any_of(refusal.manifest->types, asked_for)) {
      out += text("\n  ", refusal.file.string(), " has it and is refused: ", refusal.reason);
    }
  }
  return out;
}

std::string refused_briefly(const plugin::Found& found) {
  constexpr size_t kShown = 5;
  std::string out;
  for (size_t i = 0; i < std::min(kShown, found.refused.size()); ++i) {
    out += text(
        "\n  refused: ", found.refused[i].file.string(), ": ", first_line(found.refused[i].reason));
  }
  if (found.refused.size() > kShown) {
    out += text("\n  and ", found.refused.size() - kShown, " more; see `strata plugin list`");
  }
  return out;
}

/// The end of a message about a name that no plugin has.
std::string advice(const plugin::Found& found, const Request& request) {
  std::string out = refused_with(found, request);
  if (!out.empty()) {
    return out;
  }
  const std::vector<std::string_view> names = type_names(found, request.kind);
  out = config::did_you_mean(request.type, names);
  if (names.empty()) {
    out =
        text("; no plugin of kind ", request.kind, " was found (`strata plugin list` shows where)");
  }
  for (const Match& match : matches(found, {{}, request.type, {}, {}})) {
    if (match.type->kind != request.kind) {
      out += text("\n  ",
                  match.type->name,
                  " is of kind ",
                  match.type->kind,
                  " (",
                  match.plugin->file.string(),
                  ")");
    }
  }
  return out + refused_briefly(found);
}

Error ambiguous(const std::vector<Match>& several, const Request& request) {
  std::string out = text(
      "the ", request.kind, " type \"", request.type, "\" is in ", several.size(), " plugins:");
  for (const Match& match : several) {
    out += text("\n  ",
                match.plugin->file.string(),
                ": ",
                match.type->name,
                ", plugin id ",
                match.plugin->manifest.id);
  }
  const std::string& id = several.front().plugin->manifest.id;
  const bool ids_differ = std::ranges::any_of(
      several, [&id](const Match& match) { return match.plugin->manifest.id != id; });
  out += ids_differ ? text("\nname one by its id in the same table: plugin = \"", id, "\"")
                    : text("\nthey have the same id; remove all but one");
  return config_error(request.where, out);
}

}  // namespace

Match look_up(const plugin::Found& found, const Request& request) {
  const std::vector<Match> all = matches(found, request);
  if (all.size() == 1) {
    return all.front();
  }
  if (!all.empty()) {
    throw ambiguous(all, request);
  }
  const std::string pinned =
      request.plugin.empty() ? "" : text(" in a plugin with the id \"", request.plugin, "\"");
  throw config_error(request.where,
                     "unknown ",
                     request.kind,
                     " type \"",
                     request.type,
                     "\"",
                     pinned,
                     advice(found, request));
}

std::vector<std::string_view> type_names(const plugin::Found& found, std::string_view kind) {
  std::vector<std::string_view> out;
  for (const plugin::Candidate& candidate : found.plugins) {
    for (const TypeName& type : candidate.manifest.types) {
      if (kind.empty() || type.kind == kind) {
        out.emplace_back(type.name);
      }
    }
  }
  std::ranges::sort(out);
  return out;
}

std::vector<Match> types_named(const plugin::Found& found, std::string_view name) {
  return matches(found, {{}, name, {}, {}});
}

}  // namespace strata::registry
