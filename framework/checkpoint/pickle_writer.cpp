// Opcodes, one value after the other.
#include "checkpoint/pickle_writer.hpp"

#include <array>
#include <limits>
#include <utility>
#include <vector>

#include "strata/cpp/error.hpp"

#include "checkpoint/dtype.hpp"
#include "checkpoint/pickle_ops.hpp"

namespace strata::checkpoint {
namespace {

// Where the memo keeps what every tensor needs.
enum Slot : uint8_t { kOrderedDict, kRebuild, kStorageText, kDeviceText, kFirstType };

std::string_view storage_class(int32_t dtype) {
  switch (dtype) {
    case STRATA_F64:
      return "DoubleStorage";
    case STRATA_F32:
      return "FloatStorage";
    case STRATA_F16:
      return "HalfStorage";
    case STRATA_BF16:
      return "BFloat16Storage";
    case STRATA_I64:
      return "LongStorage";
    case STRATA_I32:
      return "IntStorage";
    case STRATA_I8:
      return "CharStorage";
    case STRATA_U8:
      return "ByteStorage";
    case STRATA_BOOL:
      return "BoolStorage";
    default:
      throw Error(STRATA_E_ARGUMENT, text("torch has no storage of type ", dtype));
  }
}

class PickleOut {
 public:
  std::string take() {
    op(kStop);
    return std::move(out_);
  }

  void op(Op op) { out_.push_back(static_cast<char>(op)); }

  template <class T>
  void number(T value) {
    out_.append(reinterpret_cast<const char*>(&value), sizeof(value));
  }

  void integer(int64_t value) {
    if (value <= std::numeric_limits<uint8_t>::max()) {
      op(kBinInt1);
      number(static_cast<uint8_t>(value));
    } else if (value <= std::numeric_limits<int32_t>::max()) {
      op(kBinInt);
      number(static_cast<int32_t>(value));
    } else {
      op(kLong1);
      number(static_cast<uint8_t>(sizeof(value)));
      number(value);
    }
  }

  void unicode(std::string_view text) {
    op(kBinUnicode);
    number(static_cast<uint32_t>(text.size()));
    out_.append(text);
  }

  void tuple(const std::vector<int64_t>& values) {
    op(kMark);
    for (const int64_t value : values) {
      integer(value);
    }
    op(kTuple);
  }

  /// Pushes what is remembered in the slot, or makes and remembers it.
  template <class Make>
  void once(uint8_t slot, const Make& make) {
    if (known_[slot]) {
      op(kBinGet);
      number(slot);
      return;
    }
    make();
    op(kBinPut);
    number(slot);
    known_[slot] = true;
  }

  void global(uint8_t slot, std::string_view module, std::string_view name) {
    once(slot, [&] {
      op(kGlobal);
      out_.append(module).append("\n").append(name).append("\n");
    });
  }

  void ordered_dict() {
    global(kOrderedDict, "collections", "OrderedDict");
    op(kEmptyTuple);
    op(kReduce);
  }

 private:
  std::string out_;
  std::array<bool, 256> known_{};
};

int64_t elements_of(const TensorSource& tensor) {
  int64_t out = 1;
  for (const int64_t size : tensor.shape) {
    out = size == 0 || out == 0 ? 0 : out;
    if (__builtin_mul_overflow(out, size, &out)) {
      throw Error(STRATA_E_ARGUMENT,
                  text("the shape of \"", tensor.name, "\" is too large for torch"));
    }
  }
  return out;
}

std::vector<int64_t> row_major(const TensorSource& tensor) {
  std::vector<int64_t> out(tensor.shape.size());
  int64_t step = 1;
  for (size_t d = out.size(); d-- > 0;) {
    out[d] = step;
    step *= tensor.shape[d] == 0 ? 1 : tensor.shape[d];
  }
  return out;
}

void put_storage(PickleOut& out, const TensorSource& tensor, size_t index) {
  out.op(kMark);
  out.once(kStorageText, [&] { out.unicode("storage"); });
  out.global(static_cast<uint8_t>(kFirstType + tensor.dtype), "torch", storage_class(tensor.dtype));
  out.unicode(std::to_string(index));
  out.once(kDeviceText, [&] { out.unicode("cpu"); });
  out.integer(elements_of(tensor));
  out.op(kTuple);
  out.op(kBinPersid);
}

// _rebuild_tensor_v2(storage, offset, size, stride, requires_grad, backward_hooks)
void put_tensor(PickleOut& out, const TensorSource& tensor, size_t index) {
  out.global(kRebuild, "torch._utils", "_rebuild_tensor_v2");
  out.op(kMark);
  put_storage(out, tensor, index);
  out.integer(0);
  out.tuple(tensor.shape);
  out.tuple(row_major(tensor));
  out.op(kNewFalse);
  out.ordered_dict();
  out.op(kTuple);
  out.op(kReduce);
}

}  // namespace

std::string pickle_state_dict(std::span<const TensorSource> tensors) {
  PickleOut out;
  out.op(kProto);
  out.number(uint8_t{2});
  out.ordered_dict();
  out.op(kMark);
  for (size_t i = 0; i < tensors.size(); ++i) {
    out.unicode(tensors[i].name);
    put_tensor(out, tensors[i], i);
  }
  out.op(kSetItems);
  return out.take();
}

}  // namespace strata::checkpoint
