// Stage one of resolving references: what depends on the file a text stands in.
#include <algorithm>
#include <array>
#include <cstdlib>
#include <string>

#include "strata/cpp/error.hpp"

#include "config/literal.hpp"
#include "config/reference_text.hpp"
#include "config/references.hpp"

namespace strata::config {
namespace {

constexpr std::string_view kBasePrefix = "_base_";
constexpr std::array<std::string_view, 4> kFileNames = {
    "fileDirname", "fileBasename", "fileBasenameNoExtension", "fileExtname"};

bool is_file_name(std::string_view reference) {
  return std::ranges::find(kFileNames, reference) != kFileNames.end();
}

bool is_base_reference(std::string_view reference) {
  return reference == kBasePrefix ||
         (reference.starts_with(kBasePrefix) && reference[kBasePrefix.size()] == '.');
}

bool is_local(std::string_view reference) {
  return reference.starts_with('$') || is_file_name(reference) || is_base_reference(reference);
}

void escape_all(Value& value) {
  if (auto* text = std::get_if<std::string>(&value.data())) {
    *text = escape_braces(*text);
  } else if (auto* list = std::get_if<Value::List>(&value.data())) {
    std::ranges::for_each(*list, escape_all);
  } else if (auto* table = std::get_if<Value::Table>(&value.data())) {
    std::ranges::for_each(*table, [](Entry& entry) { escape_all(entry.value); });
  }
}

std::string file_name(std::string_view which, const std::filesystem::path& file) {
  if (which == "fileDirname") {
    return std::filesystem::absolute(file).lexically_normal().parent_path().string();
  }
  if (which == "fileBasename") {
    return file.filename().string();
  }
  return which == "fileExtname" ? file.extension().string() : file.stem().string();
}

struct EnvValue {
  std::string name;
  std::string text;
  bool from_default;
};

/// `$NAME` or `$NAME:default`.
EnvValue read_environment(std::string_view reference, const Origin& origin) {
  const std::size_t colon = reference.find(':');
  const std::string_view after = colon == std::string_view::npos ? "" : reference.substr(colon + 1);
  std::string name(reference.substr(1, colon == std::string_view::npos ? colon : colon - 1));
  while (!name.empty() && name.back() == ' ') {
    name.pop_back();
  }
  if (const char* value =
          std::getenv(name.c_str())) {  // NOLINT(concurrency-mt-unsafe): before any thread
    return {name, value, false};
  }
  if (colon == std::string_view::npos) {
    throw config_error(origin.where(),
                       "the environment variable ",
                       name,
                       " is not set; set it, or write a default: {{$",
                       name,
                       ":value}}");
  }
  return {
      name, std::string(after.substr(std::min(after.find_first_not_of(' '), after.size()))), true};
}

class LocalResolver {
 public:
  explicit LocalResolver(const FileScope& scope) : scope_(scope) {}

  [[nodiscard]] std::optional<Value> resolve(Value value) const {
    if (auto* list = std::get_if<Value::List>(&value.data())) {
      resolve_list(*list);
    } else if (auto* table = std::get_if<Value::Table>(&value.data())) {
      resolve_table(*table);
    } else if (const auto* text = std::get_if<std::string>(&value.data())) {
      const std::vector<TextPiece> pieces = split_text(*text, value.origin());
      if (is_whole_reference(pieces) && is_local(pieces[0].text)) {
        return whole(pieces[0].text, value.origin());
      }
      value.data() = joined(pieces, value.origin());
    }
    return value;
  }

 private:
  void resolve_list(Value::List& list) const {
    for (Value& item : list) {
      const Origin origin = item.origin();
      std::optional<Value> resolved = resolve(std::move(item));
      if (!resolved) {
        throw config_error(origin.where(),
                           "None cannot stand in a list; give the variable another value");
      }
      item = std::move(*resolved);
    }
  }

  void resolve_table(Value::Table& table) const {
    Value::Table kept;
    for (Entry& entry : table) {
      if (std::optional<Value> resolved = resolve(std::move(entry.value))) {
        kept.push_back({std::move(entry.key), std::move(*resolved)});
      }
    }
    table = std::move(kept);
  }

  [[nodiscard]] std::optional<Value> whole(const std::string& reference,
                                           const Origin& origin) const {
    if (is_file_name(reference)) {
      return Value(escape_braces(file_name(reference, scope_.file)), origin);
    }
    if (is_base_reference(reference)) {
      Value copy = base_value(reference, origin);
      copy.set_origin(noted(origin, "{{ " + reference + " }}"));
      return copy;
    }
    const EnvValue env = read_environment(reference, origin);
    const std::string note = "env " + env.name + (env.from_default ? " unset, its default" : "");
    std::optional<Value> value = parse_literal(env.text, noted(origin, note));
    if (value) {
      escape_all(*value);
    }
    return value;
  }

  [[nodiscard]] std::string joined(const std::vector<TextPiece>& pieces,
                                   const Origin& origin) const {
    std::string out;
    for (const TextPiece& piece : pieces) {
      switch (piece.kind) {
        case TextPiece::Kind::kLiteral:
          out += piece.text;
          break;
        case TextPiece::Kind::kEscape:
          out += "\\{{";
          break;  // for the last stage
        case TextPiece::Kind::kReference:
          out += is_local(piece.text) ? inside(piece.text, origin) : "{{ " + piece.text + " }}";
          break;
      }
    }
    return out;
  }

  [[nodiscard]] std::string inside(const std::string& reference, const Origin& origin) const {
    if (is_file_name(reference)) {
      return escape_braces(file_name(reference, scope_.file));
    }
    if (is_base_reference(reference)) {
      return text_form(base_value(reference, origin), reference, origin);
    }
    return escape_braces(read_environment(reference, origin).text);
  }

  [[nodiscard]] const Value& base_value(const std::string& reference, const Origin& origin) const {
    if (scope_.bases == nullptr) {
      throw config_error(
          origin.where(),
          "{{ ",
          reference,
          " }} refers to a base, but there is no _base_ here; write {{ key.path }} to "
          "refer to the final value");
    }
    const Value* value = scope_.bases;
    for (const std::string& segment : path_of(reference, origin)) {
      if (value == scope_.bases && segment == kBasePrefix) {
        continue;
      }
      const Value* next = value->step(segment);
      if (next == nullptr) {
        refuse_unknown(reference, segment, *value, origin);
      }
      value = next;
    }
    if (value == scope_.bases) {
      throw config_error(origin.where(), "{{ _base_ }} needs the path of a key: {{ _base_.a.b }}");
    }
    return *value;
  }

  const FileScope& scope_;
};

}  // namespace

std::optional<Value> resolve_local(Value value, const FileScope& scope) {
  return LocalResolver(scope).resolve(std::move(value));
}

}  // namespace strata::config
