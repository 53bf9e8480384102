// A plugin object in the host's hands: instance, table of its kind, destruction.
#pragma once

#include <cstring>
#include <string>
#include <utility>

#include "strata/abi/core.h"

#include "border/errors.hpp"

namespace strata::border {

/// Owns one object of kind table Api (strata_hook_api, …). Move-only. The table is the host's own copy, full-size, with
/// NULL where the plugin left a slot empty or is older; has() asks.
template <class Api>
class Object {
 public:
  Object() = default;

  /// Takes the object over. type: its `type =` name, for messages.
  Object(strata_object object, std::string type) : self_(object.self), type_(std::move(type)) {
    const auto* head = static_cast<const strata_object_api*>(object.vtbl);
    const size_t given = head->h.struct_size;
    std::memcpy(&api_, object.vtbl, given < sizeof(Api) ? given : sizeof(Api));
  }

  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;

  Object(Object&& other) noexcept
      : self_(std::exchange(other.self_, nullptr)),
        api_(other.api_),
        type_(std::move(other.type_)) {}

  Object& operator=(Object&& other) noexcept {
    std::swap(self_, other.self_);
    std::swap(api_, other.api_);
    std::swap(type_, other.type_);
    return *this;
  }

  ~Object() {
    if (self_ != nullptr) {
      api_.base.destroy(self_);
    }
  }

  explicit operator bool() const { return self_ != nullptr; }

  [[nodiscard]] const std::string& type() const { return type_; }

  [[nodiscard]] void* self() const { return self_; }

  [[nodiscard]] const Api& api() const { return api_; }

  template <class Slot>
  [[nodiscard]] bool has(Slot Api::* slot) const {
    return api_.*slot != nullptr;
  }

  /// Calls a slot and throws its error; an empty slot does nothing.
  template <class Slot, class... Args>
  void call(Slot Api::* slot, Args... args) const {
    if (api_.*slot != nullptr) {
      check((api_.*slot)(self_, args...));
    }
  }

 private:
  void* self_ = nullptr;
  Api api_{};
  std::string type_;
};

}  // namespace strata::border
