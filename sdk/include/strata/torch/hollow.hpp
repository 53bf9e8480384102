// Parameters before they have memory: how a model is built on every rank without its weights.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/CPUAllocator.h>

#include "strata/cpp/host.hpp"

namespace strata {

/// A contiguous CPU tensor whose storage knows its size and holds no memory. For parameters: the
/// host binds each to the strategy's memory and fills it. Any read or write before that throws.
STRATA_HIDDEN inline at::Tensor hollow(at::IntArrayRef shape, at::ScalarType dtype) {
  const size_t bytes = c10::multiply_integers(shape) * c10::elementSize(dtype);
  c10::Storage storage(c10::Storage::use_byte_size_t(),
                       bytes,
                       c10::DataPtr(nullptr, c10::kCPU),
                       c10::GetCPUAllocator(),
                       /*resizable=*/false);
  storage.unsafeGetStorageImpl()->release_data_and_set_meta_custom_data_ptr_error_msg_(
      "a parameter was used before the host gave it memory: only a model that the host has built "
      "can run");
  auto impl = c10::make_intrusive<c10::TensorImpl>(std::move(storage),
                                                   c10::DispatchKeySet(c10::DispatchKey::CPU),
                                                   c10::scalarTypeToTypeMeta(dtype));
  impl->set_sizes_contiguous(shape);
  return at::Tensor(std::move(impl));
}

}  // namespace strata
