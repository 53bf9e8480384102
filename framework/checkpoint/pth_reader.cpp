// From a pickle's description of tensors to their bytes.
#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <set>
#include <utility>

#include "strata/cpp/error.hpp"

#include "checkpoint/dtype.hpp"
#include "checkpoint/mapped_file.hpp"
#include "checkpoint/pickle.hpp"
#include "checkpoint/pth.hpp"
#include "checkpoint/pth_archive.hpp"
#include "checkpoint/safetensors_header.hpp"

namespace strata::checkpoint {
namespace {

using What = PickleValue::Kind;

struct TypeRow {
  std::string_view storage;  // a class of torch
  std::string_view name;
  int32_t dtype;
};

constexpr std::array<TypeRow, 9> kTypes = {TypeRow{"DoubleStorage", "float64", STRATA_F64},
                                           TypeRow{"FloatStorage", "float32", STRATA_F32},
                                           TypeRow{"HalfStorage", "float16", STRATA_F16},
                                           TypeRow{"BFloat16Storage", "bfloat16", STRATA_BF16},
                                           TypeRow{"LongStorage", "int64", STRATA_I64},
                                           TypeRow{"IntStorage", "int32", STRATA_I32},
                                           TypeRow{"CharStorage", "int8", STRATA_I8},
                                           TypeRow{"ByteStorage", "uint8", STRATA_U8},
                                           TypeRow{"BoolStorage", "bool", STRATA_BOOL}};

bool is_row_major(const PthTensor& t) {
  int64_t expected = 1;
  for (size_t d = t.strides.size(); d-- > 0;) {
    if (t.info.shape[d] != 1 && t.strides[d] != expected) {
      return false;
    }
    expected *= t.info.shape[d];
  }
  return true;
}

// The arguments that torch.save wrote for one tensor of the state dict, judged.
class TensorArguments {
 public:
  TensorArguments(const PthArchive& archive,
                  const Pickle& pickle,
                  const PickleValue& tensor,
                  std::string name)
      : archive_(archive), pickle_(pickle), tensor_(tensor), name_(std::move(name)) {}

  [[nodiscard]] PthTensor read() const {
    if (tensor_.items.size() < 4) {
      refuse("it is described by too few values");
    }
    refuse_views();
    PthTensor out;
    out.info = {name_, 0, sizes(argument(2), "size")};
    out.offset = number(argument(1), "offset");
    out.strides = sizes(argument(3), "stride");
    const PickleValue& storage = argument(0);
    if (storage.kind != What::kStorage || storage.items.size() < 5) {
      refuse("it has no storage");
    }
    out.info.dtype = dtype_of(pickle_.at(storage.items[1]));
    out.storage = storage_bytes(storage, out.info.dtype);
    check_extent(out);
    return out;
  }

 private:
  [[noreturn]] void refuse(const std::string& why) const {
    archive_.refuse(text("\"", name_, "\": ", why));
    __builtin_unreachable();
  }

  [[nodiscard]] const PickleValue& argument(size_t i) const { return pickle_.at(tensor_.items[i]); }

  [[nodiscard]] int64_t number(const PickleValue& v, const char* what) const {
    if (v.kind != What::kInt || v.number < 0) {
      refuse(text("its ", what, " is no number from 0"));
    }
    return v.number;
  }

  [[nodiscard]] std::vector<int64_t> sizes(const PickleValue& v, const char* what) const {
    constexpr size_t kMaxDims = 64;  // torch's own
    if (v.kind != What::kTuple || v.items.size() > kMaxDims) {
      refuse(text("its ", what, " is no tuple of at most ", kMaxDims, " numbers"));
    }
    std::vector<int64_t> out;
    out.reserve(v.items.size());
    for (const uint32_t item : v.items) {
      out.push_back(number(pickle_.at(item), what));
    }
    return out;
  }

  // A tensor whose values are not those of its storage.
  void refuse_views() const {
    const bool v3 = tensor_.name == "_rebuild_tensor_v3";
    const size_t at = v3 ? 7 : 6;
    if (tensor_.items.size() > at && !argument(at).items.empty()) {
      refuse("it is a conjugate or negative view; save tensor.resolve_conj().resolve_neg()");
    }
  }

  // storage: the class that it was saved as; an untyped one leaves the type to the tensor.
  [[nodiscard]] int32_t dtype_of(const PickleValue& storage) const {
    const bool typed = storage.name != "UntypedStorage";
    if (!typed && (tensor_.name != "_rebuild_tensor_v3" || tensor_.items.size() < 7)) {
      refuse("neither it nor its storage has a type");
    }
    const PickleValue& type = typed ? storage : argument(6);
    const bool torch = type.kind == What::kGlobal && type.text.starts_with("torch");
    const auto* const row =
        std::ranges::find(kTypes, type.name, typed ? &TypeRow::storage : &TypeRow::name);
    if (!torch || row == kTypes.end()) {
      refuse(text("it is of ",
                  type.text,
                  ".",
                  type.name,
                  ", a type that is not read here; float64, float32, float16, bfloat16, int64, "
                  "int32, int8, uint8 and "
                  "bool are"));
    }
    return row->dtype;
  }

  [[nodiscard]] std::span<const std::byte> storage_bytes(const PickleValue& storage,
                                                         int32_t dtype) const {
    const PickleValue& key = pickle_.at(storage.items[2]);
    const auto count =
        static_cast<uint64_t>(number(pickle_.at(storage.items[4]), "storage's length"));
    const bool typed = pickle_.at(storage.items[1]).name != "UntypedStorage";
    const auto bytes = archive_.find("data/" + std::string(key.text));
    if (key.kind != What::kText || !bytes) {
      refuse(text("its storage data/", key.text, " is not in the file"));
    }
    uint64_t needed = typed ? dtype_bytes(dtype) : 1;
    if (__builtin_mul_overflow(needed, count, &needed) || needed != bytes->size()) {
      refuse(text("its storage data/",
                  key.text,
                  " has ",
                  bytes->size(),
                  " bytes, which is not ",
                  count,
                  " elements"));
    }
    return *bytes;
  }

  void check_extent(const PthTensor& t) const {
    uint64_t bytes = 0;
    if (t.strides.size() != t.info.shape.size()) {
      refuse(text("it has ", t.info.shape.size(), " sizes and ", t.strides.size(), " strides"));
    }
    if (!tensor_bytes(t.info.dtype, t.info.shape, bytes) || bytes > uint64_t{INT64_MAX}) {
      refuse("its shape has more elements than memory has addresses");
    }
    const auto there = static_cast<int64_t>(t.storage.size() / dtype_bytes(t.info.dtype));
    int64_t last = t.offset;
    bool fits = true;
    for (size_t d = 0; d < t.strides.size() && bytes > 0; ++d) {
      int64_t step = 0;
      fits = fits && !__builtin_mul_overflow(t.info.shape[d] - 1, t.strides[d], &step) &&
             !__builtin_add_overflow(last, step, &last);
    }
    if (!fits || (bytes > 0 && last >= there)) {
      refuse(text("its elements reach past the ", there, " of its storage"));
    }
  }

  const PthArchive& archive_;
  const Pickle& pickle_;
  const PickleValue& tensor_;
  std::string name_;
};

bool has_tensor(const Pickle& pickle, const PickleValue& dict) {
  for (size_t i = 1; i < dict.items.size(); i += 2) {
    if (pickle.at(dict.items[i]).kind == What::kTensor) {
      return true;
    }
  }
  return false;
}

std::string keys_of(const Pickle& pickle, const PickleValue& dict) {
  constexpr size_t kShown = 10;
  std::string out;
  for (size_t i = 0; i < dict.items.size() && i < 2 * kShown; i += 2) {
    const PickleValue& key = pickle.at(dict.items[i]);
    out += text(i == 0 ? "" : ", ",
                key.kind == What::kText ? std::string(key.text) : "a key that is no text");
  }
  return out.empty() ? "nothing" : out;
}

// What wraps a state dict comes first: an epoch beside it may be a tensor.
const PickleValue& state_dict_of(const Pickle& pickle,
                                 const PthArchive& archive,
                                 std::string& taken) {
  const PickleValue& top = pickle.top();
  for (const char* key : {"state_dict", "model_state_dict", "model", "module"}) {
    const PickleValue* dict = pickle.find(top, key);
    if (dict != nullptr && dict->kind == What::kDict && has_tensor(pickle, *dict)) {
      taken = text("its key \"", key, "\"");
      return *dict;
    }
  }
  if (top.kind == What::kOpaque) {
    archive.refuse(text("it holds an object of ",
                        top.text,
                        ".",
                        top.name,
                        "; save the model's state_dict() instead of the model"));
  }
  if (top.kind != What::kDict) {
    archive.refuse("it holds no dict; save the model's state_dict()");
  }
  if (!top.items.empty() && !has_tensor(pickle, top)) {
    archive.refuse(
        text("it holds no state dict, neither itself nor under state_dict, model_state_dict, model "
             "or module: "
             "its keys are ",
             keys_of(pickle, top)));
  }
  return top;
}

std::vector<PthTensor> tensors_of(const Pickle& pickle,
                                  const PickleValue& dict,
                                  const PthArchive& archive) {
  std::vector<PthTensor> out;
  std::set<std::string_view> seen;
  for (size_t i = dict.items.size(); i >= 2;
       i -= 2) {  // of a name that is set twice the last counts, as in Python
    const PickleValue& key = pickle.at(dict.items[i - 2]);
    const PickleValue& value = pickle.at(dict.items[i - 1]);
    if (key.kind == What::kText && seen.insert(key.text).second && value.kind == What::kTensor) {
      out.push_back(TensorArguments(archive, pickle, value, std::string(key.text)).read());
    }
  }
  std::ranges::reverse(out);
  return out;
}

class PthReader final : public TensorReader {
 public:
  explicit PthReader(const std::filesystem::path& path)
      : path_(path), file_(path), content_(read_pth(file_.bytes(), path.string())) {
    for (const PthTensor& tensor : content_.tensors) {
      tensors_.push_back(tensor.info);
    }
  }

  [[nodiscard]] const std::vector<StoredTensor>& tensors() const override { return tensors_; }

  [[nodiscard]] const std::filesystem::path& path() const override { return path_; }

  [[nodiscard]] std::string taken() const override { return content_.taken; }

  void read(size_t tensor, int64_t begin, int64_t count, void* out) const override {
    check_elements(*this, tensor, begin, count);
    read_elements(content_.tensors[tensor], begin, count, out);
  }

 private:
  std::filesystem::path path_;
  MappedFile file_;
  PthContent content_;
  std::vector<StoredTensor> tensors_;
};

}  // namespace

PthContent read_pth(std::span<const std::byte> bytes, const std::string& file) {
  const PthArchive archive(bytes, file);
  const Pickle pickle = archive.pickle();
  PthContent out;
  const PickleValue& dict = state_dict_of(pickle, archive, out.taken);
  out.tensors = tensors_of(pickle, dict, archive);
  return out;
}

// Row by row: an element's place is its row's and its column's.
void read_elements(const PthTensor& t, int64_t begin, int64_t count, void* out) {
  const uint64_t element = dtype_bytes(t.info.dtype);
  auto* to = static_cast<std::byte*>(out);
  const auto copy = [&](int64_t at, int64_t n) {
    std::memcpy(to,
                t.storage.data() + static_cast<uint64_t>(at) * element,
                static_cast<uint64_t>(n) * element);
    to += static_cast<uint64_t>(n) * element;
  };
  if (count == 0) {
    return;
  }
  if (is_row_major(t)) {
    copy(t.offset + begin, count);
    return;
  }
  const int64_t columns = t.info.shape.back();
  while (count > 0) {
    int64_t row = begin / columns;
    const int64_t column = begin % columns;
    int64_t at = t.offset + column * t.strides.back();
    for (size_t d = t.strides.size() - 1; d-- > 0; row /= t.info.shape[d]) {
      at += row % t.info.shape[d] * t.strides[d];
    }
    const int64_t n = std::min(count, columns - column);
    if (t.strides.back() == 1) {
      copy(at, n);
    } else {
      for (int64_t i = 0; i < n; ++i) {
        copy(at + i * t.strides.back(), 1);
      }
    }
    begin += n;
    count -= n;
  }
}

std::unique_ptr<TensorReader> open_pth(const std::filesystem::path& path) {
  return std::make_unique<PthReader>(path);
}

}  // namespace strata::checkpoint
