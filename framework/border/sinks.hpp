// Sinks the host hands to plugins to collect text and numbers.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "border/errors.hpp"

namespace strata::border {

using Numbers = std::vector<std::pair<std::string, double>>;

class TextSink {
 public:
  TextSink() = default;
  TextSink(const TextSink&) = delete;
  TextSink& operator=(const TextSink&) = delete;

  [[nodiscard]] const strata_text_sink* c() const { return &sink_; }

  [[nodiscard]] const std::string& str() const { return text_; }

 private:
  static strata_rc put(void* ctx, strata_str piece) {
    return guarded([&] { static_cast<TextSink*>(ctx)->text_.append(view(piece)); });
  }

  mutable std::string text_;  // grows through the pointer in sink_, also of a const sink
  strata_text_sink sink_{this, &TextSink::put};
};

class NumberSink {
 public:
  NumberSink() = default;
  NumberSink(const NumberSink&) = delete;
  NumberSink& operator=(const NumberSink&) = delete;

  [[nodiscard]] const strata_number_sink* c() const { return &sink_; }

  [[nodiscard]] const Numbers& items() const { return items_; }

 private:
  static strata_rc put(void* ctx, strata_str name, double value) {
    return guarded([&] {
      static_cast<NumberSink*>(ctx)->items_.emplace_back(std::string(view(name)), value);
    });
  }

  mutable Numbers items_;  // grows through the pointer in sink_, also of a const sink
  strata_number_sink sink_{this, &NumberSink::put};
};

}  // namespace strata::border
