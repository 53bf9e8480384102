// Stage two of resolving references: what refers to the final tree.
#include <algorithm>
#include <string>
#include <unordered_set>

#include "strata/cpp/error.hpp"

#include "config/reference_text.hpp"
#include "config/references.hpp"

namespace strata::config {
namespace {

/// Depth first, so that a value is complete before somebody copies it.
class FinalResolver {
 public:
  explicit FinalResolver(Value& root) : root_(root) {}

  void resolve(Value& value) {
    if (done_.contains(&value)) {
      return;
    }
    if (std::ranges::find(open_, &value) != open_.end()) {
      refuse_circle(value);
    }
    open_.push_back(&value);
    if (auto* list = std::get_if<Value::List>(&value.data())) {
      std::ranges::for_each(*list, [this](Value& item) { resolve(item); });
    } else if (auto* table = std::get_if<Value::Table>(&value.data())) {
      std::ranges::for_each(*table, [this](Entry& entry) { resolve(entry.value); });
    } else if (value.is_text()) {
      resolve_text(value);
    }
    open_.pop_back();
    done_.insert(&value);
  }

 private:
  void resolve_text(Value& value) {
    const std::vector<TextPiece> pieces =
        split_text(std::get<std::string>(value.data()), value.origin());
    if (is_whole_reference(pieces)) {
      value.data() = Value::Data(target(pieces[0].text, value.origin()).data());
      value.set_origin(noted(value.origin(), "{{ " + pieces[0].text + " }}"));
      mark_done_below(
          value);  // it came resolved; a second look would take its plain braces for references
      return;
    }
    std::string out;
    for (const TextPiece& piece : pieces) {
      switch (piece.kind) {
        case TextPiece::Kind::kLiteral:
          out += piece.text;
          break;
        case TextPiece::Kind::kEscape:
          out += "{{";
          break;
        case TextPiece::Kind::kReference:
          out += text_form(target(piece.text, value.origin()), piece.text, value.origin());
          break;
      }
    }
    value.data() = std::move(out);
  }

  const Value& target(const std::string& reference, const Origin& origin) {
    Value* value = &root_;
    for (const std::string& segment : path_of(reference, origin)) {
      Value* next = value->step(segment);
      if (next == nullptr) {
        refuse_unknown(reference, segment, *value, origin);
      }
      value = next;
      if (value->is_text()) {
        resolve(*value);  // the path may go on inside of what it refers to
      }
    }
    resolve(*value);
    return *value;
  }

  void mark_done_below(const Value& value) {
    done_.insert(&value);
    if (const auto* list = std::get_if<Value::List>(&value.data())) {
      std::ranges::for_each(*list, [this](const Value& item) { mark_done_below(item); });
    } else if (const auto* table = std::get_if<Value::Table>(&value.data())) {
      std::ranges::for_each(*table, [this](const Entry& entry) { mark_done_below(entry.value); });
    }
  }

  [[noreturn]] void refuse_circle(const Value& value) const {
    std::string chain;
    for (auto node = std::ranges::find(open_, &value); node != open_.end(); ++node) {
      if ((*node)->is_text() || *node == &value) {
        chain += (*node)->path() + " -> ";
      }
    }
    throw config_error(open_.back()->where(),
                       "references go in a circle: ",
                       chain,
                       value.path(),
                       "; give one of them a value");
  }

  Value& root_;
  std::vector<const Value*> open_;  // from the root of the search to the node being resolved
  std::unordered_set<const Value*> done_;
};

}  // namespace

void resolve_final(Value& root) {
  FinalResolver(root).resolve(root);
}

}  // namespace strata::config
