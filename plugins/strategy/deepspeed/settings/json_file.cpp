// JSON with comments into values that know their line.
#include "json_file.hpp"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

#include <nlohmann/json.hpp>

namespace strata::deepspeed {
namespace {

using Json = nlohmann::json;

/// Blanks comments and trailing commas, so that lines and columns stay: nlohmann-json 3.11 skips
/// comments but has no trailing commas, and knows no `#`.
class Plain {
 public:
  explicit Plain(std::string text) : text_(std::move(text)) {}

  std::string make() && {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '"') {
        comma_ = kNone;
        skip_text();
      } else if (c == '#' || starts("//")) {
        blank_until("\n", 0);
      } else if (starts("/*")) {
        blank_until("*/", 2);
      } else {
        see(c);
        ++at_;
      }
    }
    return std::move(text_);
  }

 private:
  static constexpr size_t kNone = std::string::npos;

  [[nodiscard]] bool starts(const char* what) const { return text_.compare(at_, 2, what) == 0; }

  void skip_text() {
    for (++at_; at_ < text_.size() && text_[at_] != '"'; ++at_) {
      at_ += text_[at_] == '\\' ? 1 : 0;
    }
    ++at_;
  }

  void blank_until(const char* end, size_t length) {
    const size_t found = text_.find(end, at_ + length);
    const size_t stop = found == kNone ? text_.size() : found + length;
    for (; at_ < stop; ++at_) {
      text_[at_] = text_[at_] == '\n' ? '\n' : ' ';
    }
  }

  void see(char c) {
    if ((c == '}' || c == ']') && comma_ != kNone) {
      text_[comma_] = ' ';
    }
    if (std::isspace(static_cast<unsigned char>(c)) == 0) {
      comma_ = c == ',' ? at_ : kNone;
    }
  }

  std::string text_;
  size_t at_ = 0;
  size_t comma_ = kNone;  // the last one, while only blanks and comments follow
};

/// Characters for the parser, counting lines as it takes them.
struct CountingIterator {
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  const char* at;
  int* line;

  reference operator*() const { return *at; }

  CountingIterator& operator++() {
    *line += *at == '\n' ? 1 : 0;
    ++at;
    return *this;
  }

  CountingIterator operator++(int) {
    const CountingIterator before = *this;
    ++*this;
    return before;
  }

  friend bool operator==(const CountingIterator& a, const CountingIterator& b) {
    return a.at == b.at;
  }
};

/// Builds the tree. The parser reads no further than a key's closing quote before it reports the
/// key, so the line is the key's own; values are given the line of their key.
class Builder final : public nlohmann::json_sax<Json> {
 public:
  Builder(std::string file, const int& line) : file_(std::move(file)), line_(line) {}

  Value take() && { return std::move(root_); }

  bool null() override { return put({}); }

  bool boolean(bool value) override { return put(value); }

  bool number_integer(number_integer_t value) override { return put(int64_t{value}); }

  bool number_unsigned(number_unsigned_t value) override {
    return value > static_cast<uint64_t>(INT64_MAX) ? put(static_cast<double>(value))
                                                    : put(static_cast<int64_t>(value));
  }

  bool number_float(number_float_t value, const string_t&) override { return put(value); }

  bool string(string_t& value) override { return put(value); }

  bool binary(binary_t&) override { return false; }  // JSON has none

  bool start_object(std::size_t) override { return open(Value::Table{}); }

  bool start_array(std::size_t) override { return open(Value::List{}); }

  bool end_object() override { return close(); }

  bool end_array() override { return close(); }

  bool key(string_t& name) override {
    const Value& table = *open_.back();
    for (const Value::Entry& entry : table.as_table()) {
      if (entry.key == name) {
        throw config_error(place(), joined(table.path, name), " is given twice; keep one");
      }
    }
    key_ = name;
    key_line_ = line_;
    return true;
  }

  bool parse_error(std::size_t,
                   const std::string& last,
                   const nlohmann::detail::exception& e) override {
    const std::string what = e.what();
    const size_t words = what.find(": ");
    throw config_error(text(file_, ':', line_),
                       "this is no JSON at \"",
                       last,
                       "\": ",
                       words == std::string::npos ? what : what.substr(words + 2));
  }

 private:
  [[nodiscard]] std::string place() const { return text(file_, ':', line_); }

  Value& add(Value::Data data) {
    if (open_.empty()) {
      root_ = {std::move(data), file_, ""};
      return root_;
    }
    Value& parent = *open_.back();
    if (auto* list = std::get_if<Value::List>(&parent.data)) {
      list->push_back(
          {std::move(data), place(), joined(parent.path, std::to_string(list->size()))});
      return list->back();
    }
    auto& table = std::get<Value::Table>(parent.data);
    const std::string where = text(file_, ':', key_line_);
    table.push_back({key_, {std::move(data), where, joined(parent.path, key_)}});
    return table.back().value;
  }

  bool put(Value::Data data) {
    add(std::move(data));
    return true;
  }

  bool open(Value::Data data) {
    open_.push_back(&add(std::move(data)));
    return true;
  }

  bool close() {
    open_.pop_back();
    return true;
  }

  std::string file_;
  const int& line_;
  int key_line_ = 1;
  std::string key_;
  Value root_;
  std::vector<Value*> open_;  // children of one are only added while it is the last
};

std::string folder_of(const std::string& place) {
  std::string file = place;
  for (int i = 0; i < 2; ++i) {  // column, line
    const size_t colon = file.find_last_of(':');
    if (colon == std::string::npos ||
        file.find_first_not_of("0123456789", colon + 1) != std::string::npos) {
      return {};
    }
    file.erase(colon);
  }
  return std::filesystem::path(file).parent_path().string();
}

}  // namespace

Value parse_json(const std::string& json, const std::string& file) {
  const std::string plain = Plain(json).make();
  int line = 1;
  Builder builder(file, line);
  const char* const begin = plain.data();
  Json::sax_parse(CountingIterator{begin, &line},
                  CountingIterator{begin + plain.size(), &line},
                  static_cast<nlohmann::json_sax<Json>*>(&builder));
  Value root = std::move(builder).take();
  if (!root.is_table()) {
    throw config_error(file, "a DeepSpeed configuration is one { … }, found ", root.shown());
  }
  return root;
}

Value read_json_file(const std::string& path, const std::string& named_at) {
  const std::filesystem::path file = std::filesystem::path(folder_of(named_at)) / path;
  const std::ifstream in(file);
  std::ostringstream content;
  content << in.rdbuf();
  if (!in || !std::filesystem::is_regular_file(file)) {
    throw config_error(named_at,
                       "config names ",
                       file.string(),
                       ", which cannot be read; its path is relative to the file that names it");
  }
  return parse_json(content.str(), file.string());
}

}  // namespace strata::deepspeed
