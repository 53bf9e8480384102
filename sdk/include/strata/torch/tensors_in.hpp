// The tensors inside arguments and results: a tensor, or vectors, optionals, tuples and pairs of them.
// Other types hold none.
#pragma once

#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

#include "strata/abi/model.h"
#include "strata/cpp/host.hpp"

namespace strata::detail {

template <class T>
void tensors_in(T&, std::vector<strata_native_tensor*>&) {}

STRATA_HIDDEN inline void tensors_in(at::Tensor& t, std::vector<strata_native_tensor*>& out) {
  out.push_back(&t);
}

STRATA_HIDDEN inline void tensors_in(std::optional<at::Tensor>& t,
                                     std::vector<strata_native_tensor*>& out) {
  if (t.has_value()) {
    out.push_back(&*t);
  }
}

STRATA_HIDDEN inline void tensors_in(std::vector<at::Tensor>& list,
                                     std::vector<strata_native_tensor*>& out) {
  for (at::Tensor& t : list) {
    out.push_back(&t);
  }
}

template <class A, class B>
void tensors_in(std::pair<A, B>& items, std::vector<strata_native_tensor*>& out);

template <class... Ts>
void tensors_in(std::tuple<Ts...>& items, std::vector<strata_native_tensor*>& out) {
  std::apply([&](auto&... item) { (tensors_in(item, out), ...); }, items);
}

template <class A, class B>
void tensors_in(std::pair<A, B>& items, std::vector<strata_native_tensor*>& out) {
  tensors_in(items.first, out);
  tensors_in(items.second, out);
}

/// Copies of the tensors inside, in order.
template <class T>
std::vector<at::Tensor> copy_tensors(T& value) {
  std::vector<strata_native_tensor*> places;
  tensors_in(value, places);
  std::vector<at::Tensor> out;
  out.reserve(places.size());
  for (strata_native_tensor* place : places) {
    out.push_back(*static_cast<at::Tensor*>(place));
  }
  return out;
}

/// Puts others in their places. tensors: as many as there are places, or more.
template <class T>
void put_tensors(T& value, const std::vector<at::Tensor>& tensors) {
  std::vector<strata_native_tensor*> places;
  tensors_in(value, places);
  for (size_t i = 0; i < places.size(); ++i) {
    *static_cast<at::Tensor*>(places[i]) = tensors[i];
  }
}

/// As put_tensors(), but places of undefined tensors are passed over and stay as they are.
template <class T>
void put_defined(T& value, const std::vector<at::Tensor>& tensors) {
  std::vector<strata_native_tensor*> places;
  tensors_in(value, places);
  auto next = tensors.begin();
  for (strata_native_tensor* place : places) {
    if (auto& t = *static_cast<at::Tensor*>(place); t.defined()) {
      t = *next++;
    }
  }
}

/// The tensors inside, which leave undefined ones behind.
template <class T>
std::vector<at::Tensor> take_tensors(T& value) {
  std::vector<at::Tensor> out = copy_tensors(value);
  put_tensors(value, std::vector<at::Tensor>(out.size()));
  return out;
}

}  // namespace strata::detail
