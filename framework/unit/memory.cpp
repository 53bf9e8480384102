// Buffers, their residency and the byte account.
#include "unit/memory.hpp"

#include <algorithm>
#include <cstring>

#include <ATen/DLConvertor.h>
#include <ATen/ops/empty.h>
#include <c10/core/CPUAllocator.h>

#include "border/errors.hpp"
#include "unit/tensor_memory.hpp"

namespace strata::unit {
namespace {

constexpr int kPoison = 0xFF;  // NaN in every floating-point format

Memory& memory_of(strata_runtime* rt) {
  return *rt->memory;
}

strata_rc buffer_new(
    strata_runtime* rt, int64_t bytes, uint32_t flags, strata_str tag, strata_buffer** out) {
  return border::guarded([&] {
    if (bytes < 0) {
      throw Error(STRATA_E_ARGUMENT, text("a buffer of ", bytes, " bytes was asked for"));
    }
    *out = new strata_buffer(memory_of(rt), bytes, flags, std::string(border::view(tag)));
  });
}

void buffer_free(strata_buffer* b) {
  delete b;
}

strata_rc make_resident(strata_buffer* b, strata_stream*) {
  return border::guarded([&] { b->make_resident(); });
}

strata_rc evict(strata_buffer* b, strata_stream*) {
  return border::guarded([&] { b->evict(); });
}

int32_t is_resident(const strata_buffer* b) {
  return b->resident ? 1 : 0;
}

void* data(strata_buffer* b) {
  return b->resident ? b->storage.unsafeGetStorageImpl()->_mutable_data_ptr_no_checks().get()
                     : nullptr;
}

int64_t bytes(const strata_buffer* b) {
  return b->bytes;
}

strata_rc record_use(strata_buffer*, strata_stream*) {
  return STRATA_OK;
}

strata_rc stats(strata_runtime* rt, strata_memory_stats* out) {
  return border::guarded([&] {
    const Account total = tracks_tensor_memory() ? tensor_memory() : memory_of(rt).total();
    *out = {STRATA_HDR(strata_memory_stats), total.now, total.peak};
  });
}

strata_rc bytes_of_tag(strata_runtime* rt, strata_str tag, int64_t* now, int64_t* peak) {
  return border::guarded([&] {
    const Account account = memory_of(rt).tag(border::view(tag));
    *now = account.now;
    *peak = account.peak;
  });
}

strata_rc reset_peak(strata_runtime* rt) {
  return border::guarded([&] {
    memory_of(rt).reset_peak();
    reset_tensor_peak();
  });
}

strata_rc tensor_view(strata_tensor* t, strata_view* out) {
  return border::guarded([&] { fill_view(t->value, out); });
}

strata_rc tensor_make(
    strata_runtime*, int32_t dtype, int32_t ndim, const int64_t* shape, strata_tensor** out) {
  return border::guarded([&] {
    const at::IntArrayRef sizes(shape, static_cast<size_t>(ndim));
    *out = new strata_tensor{at::empty(sizes, at::TensorOptions().dtype(scalar_type(dtype)))};
  });
}

void tensor_release(strata_tensor* t) {
  delete t;
}

strata_rc tensor_copy(strata_tensor* dst, strata_tensor* src, strata_stream*) {
  return border::guarded(
      [&] { dst->value.detach().view(-1).copy_(src->value.detach().reshape(-1)); });
}

strata_rc to_dlpack(strata_tensor* t, void** out_managed) {
  return border::guarded([&] { *out_managed = at::toDLPackVersioned(t->value.detach()); });
}

std::string stray_access_message(const strata_buffer& b) {
  return text("memory of ",
              b.users.empty() ? "buffer \"" + b.tag + "\"" : b.users,
              " was used while it was not on this rank: a parameter may only be used inside its "
              "unit's forward "
              "(return what you need from the unit instead of keeping it aside)");
}

}  // namespace

Account Memory::tag(std::string_view name) const {
  const auto it = tags_.find(name);
  return it == tags_.end() ? Account{} : it->second;
}

void Memory::add(const std::string& tag, int64_t bytes) {
  total_.add(bytes);
  tags_[tag].add(bytes);
}

int64_t Memory::state_bytes() const {
  int64_t out = 0;
  for (const char* name : {"param", "shard", "grad", "optim"}) {
    out += tag(name).now;
  }
  return out;
}

void Memory::reset_peak() {
  total_.peak = total_.now;
  for (auto& [name, account] : tags_) {
    account.peak = account.now;
  }
}

c10::DataPtr SpareBlocks::take(int64_t bytes) {
  auto it = blocks_.lower_bound(bytes);
  if (it == blocks_.end() || it->first > bytes + bytes / 2) {
    shrink_for(bytes);
    it = blocks_.emplace(bytes, c10::GetCPUAllocator()->allocate(static_cast<size_t>(bytes)));
    idle_ += bytes;
  }
  const int64_t size = it->first;
  c10::DataPtr block = std::move(it->second);
  blocks_.erase(it);
  idle_ -= size;
  in_use_ += size;
  peak_ = std::max(peak_, in_use_);
  taken_[block.get()] = size;
  return block;
}

void SpareBlocks::give(c10::DataPtr block) {
  const auto it = taken_.find(block.get());
  const int64_t size = it->second;
  taken_.erase(it);
  blocks_.emplace(size, std::move(block));
  in_use_ -= size;
  idle_ += size;
}

void SpareBlocks::lose(const void* block) {
  const auto it = taken_.find(block);
  if (it != taken_.end()) {
    in_use_ -= it->second;
    taken_.erase(it);
  }
}

// Room for a new block: the smallest go first, they fit the fewest.
void SpareBlocks::shrink_for(int64_t bytes) {
  const int64_t most = std::max(peak_, in_use_ + bytes);
  while (!blocks_.empty() && in_use_ + idle_ + bytes > most) {
    idle_ -= blocks_.begin()->first;
    blocks_.erase(blocks_.begin());
  }
}

c10::DataPtr Memory::allocate(int64_t bytes, bool takes_turns) {
  if (!takes_turns || bytes == 0) {
    return c10::GetCPUAllocator()->allocate(static_cast<size_t>(bytes));
  }
  c10::DataPtr block = spare_.take(bytes);
  count_spare();
  return block;
}

void Memory::release(c10::DataPtr block, bool takes_turns) {
  if (takes_turns && block.get() != nullptr) {
    spare_.give(std::move(block));
    count_spare();
  }
}

void Memory::count_spare() {
  add("spare", spare_.idle() - counted_spare_);
  counted_spare_ = spare_.idle();
}

at::Tensor view_of(const c10::Storage& storage,
                   int64_t byte_offset,
                   at::ScalarType dtype,
                   at::IntArrayRef shape,
                   at::IntArrayRef stride) {
  // Constructed, not set_(): that one resizes a storage without memory in silence.
  auto impl = c10::make_intrusive<c10::TensorImpl>(c10::Storage(storage),
                                                   c10::DispatchKeySet(c10::DispatchKey::CPU),
                                                   c10::scalarTypeToTypeMeta(dtype));
  impl->set_sizes_and_strides(shape, stride);
  impl->set_storage_offset(byte_offset / static_cast<int64_t>(c10::elementSize(dtype)));
  return at::Tensor(std::move(impl));
}

at::ScalarType scalar_type(int32_t dtype) {
  return static_cast<at::ScalarType>(dtype);
}

int32_t dtype_of(at::ScalarType type) {
  return static_cast<int32_t>(type);
}

static_assert(static_cast<int>(at::ScalarType::Float) == STRATA_F32);
static_assert(static_cast<int>(at::ScalarType::Double) == STRATA_F64);
static_assert(static_cast<int>(at::ScalarType::Half) == STRATA_F16);
static_assert(static_cast<int>(at::ScalarType::BFloat16) == STRATA_BF16);
static_assert(static_cast<int>(at::ScalarType::Long) == STRATA_I64);
static_assert(static_cast<int>(at::ScalarType::Int) == STRATA_I32);
static_assert(static_cast<int>(at::ScalarType::Byte) == STRATA_U8);
static_assert(static_cast<int>(at::ScalarType::Char) == STRATA_I8);
static_assert(static_cast<int>(at::ScalarType::Bool) == STRATA_BOOL);

void fill_view(const at::Tensor& tensor, strata_view* out) {
  if (tensor.dim() > STRATA_MAX_DIMS) {
    throw Error(STRATA_E_UNSUPPORTED,
                text("a tensor of ",
                     tensor.dim(),
                     " dimensions cannot cross the border; ",
                     STRATA_MAX_DIMS,
                     " is the most"));
  }
  strata_view v{};
  v.data = const_cast<void*>(tensor.const_data_ptr());
  std::copy(tensor.sizes().begin(), tensor.sizes().end(), v.shape);
  std::copy(tensor.strides().begin(), tensor.strides().end(), v.stride);
  v.numel = tensor.numel();
  v.ndim = static_cast<int32_t>(tensor.dim());
  v.dtype = dtype_of(tensor.scalar_type());
  v.device = {tensor.is_cuda() ? STRATA_CUDA : STRATA_CPU,
              std::max<int32_t>(tensor.device().index(), 0)};
  *out = v;
}

const strata_memory_api* memory_service() {
  static const strata_memory_api api = {STRATA_HDR(strata_memory_api),
                                        &buffer_new,
                                        &buffer_free,
                                        &make_resident,
                                        &evict,
                                        &is_resident,
                                        &data,
                                        &bytes,
                                        &record_use,
                                        &stats,
                                        &bytes_of_tag,
                                        &reset_peak};
  return &api;
}

const strata_tensor_api* tensor_service() {
  static const strata_tensor_api api = {STRATA_HDR(strata_tensor_api),
                                        &tensor_view,
                                        &tensor_make,
                                        &tensor_release,
                                        &tensor_copy,
                                        &to_dlpack};
  return &api;
}

}  // namespace strata::unit

using strata::unit::kPoison;

strata_buffer::strata_buffer(strata::unit::Memory& owner,
                             int64_t size,
                             uint32_t flags,
                             std::string name)
    : memory(owner),
      storage(c10::Storage::use_byte_size_t(),
              static_cast<size_t>(size),
              c10::DataPtr(nullptr, c10::kCPU),
              c10::GetCPUAllocator(),
              /*resizable=*/false),
      bytes(size),
      tag(std::move(name)),
      takes_turns((flags & STRATA_BUFFER_TAKES_TURNS) != 0U) {
  if ((flags & STRATA_BUFFER_EVICTED) != 0U) {
    refuse_access();
    return;
  }
  make_resident();
  if ((flags & STRATA_BUFFER_ZEROED) != 0U && bytes > 0) {
    std::memset(storage.mutable_data(), 0, static_cast<size_t>(bytes));
  }
}

strata_buffer::~strata_buffer() {
  if (resident) {
    memory.add(tag, -bytes);
    if (takes_turns) {
      memory.lose(storage.data());
    }
  }
}

void strata_buffer::make_resident() {
  if (resident) {
    return;
  }
  c10::StorageImpl* impl = storage.unsafeGetStorageImpl();
  c10::DataPtr fresh = memory.allocate(bytes, takes_turns);
  if (holds_gradients && bytes > 0) {
    std::memset(fresh.get(), 0, static_cast<size_t>(bytes));
  } else if (memory.poison() && bytes > 0) {
    std::memset(fresh.get(), kPoison, static_cast<size_t>(bytes));
  }
  impl->clear_data_ptr_access_error_msg_();
  impl->set_data_ptr_noswap(std::move(fresh));
  resident = true;
  memory.add(tag, bytes);
}

void strata_buffer::evict() {
  if (!resident) {
    return;
  }
  c10::StorageImpl* impl = storage.unsafeGetStorageImpl();
  if (memory.poison() && bytes > 0) {
    std::memset(impl->mutable_data(), kPoison, static_cast<size_t>(bytes));
  }
  memory.add(tag, -bytes);  // before the account of spare memory grows
  memory.release(impl->set_data_ptr(c10::DataPtr(nullptr, c10::kCPU)), takes_turns);  // nbytes stay
  refuse_access();
  resident = false;
}

void strata_buffer::refuse_access() {
  storage.unsafeGetStorageImpl()->release_data_and_set_meta_custom_data_ptr_error_msg_(
      strata::unit::stray_access_message(*this));
}

void strata_buffer::add_user(std::string_view what) {
  constexpr size_t kEnough = 300;
  if (users.size() < kEnough) {
    users += (users.empty() ? "" : ", ") + std::string(what);
  }
  if (!resident) {
    refuse_access();
  }
}
