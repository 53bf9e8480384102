// A stack machine that builds descriptions.
#include "checkpoint/pickle.hpp"

#include <tuple>
#include <unordered_map>
#include <utility>

#include "strata/cpp/error.hpp"

#include "checkpoint/byte_cursor.hpp"
#include "checkpoint/pickle_ops.hpp"

namespace strata::checkpoint {
namespace {

using What = PickleValue::Kind;

constexpr size_t kMaxValues = size_t{1} << 23;
constexpr size_t kMaxUses = 8 * kMaxValues;    // of values: on the stack, in containers
constexpr size_t kMaxDepth = size_t{1} << 16;  // containers begun inside each other

bool is_class(const PickleValue& v, std::string_view module, std::string_view name) {
  return v.kind == What::kGlobal && v.text == module && v.name == name;
}

class Machine {
 public:
  Machine(std::span<const std::byte> bytes, const Refuse& refuse)
      : in_(bytes, refuse), refuse_(refuse) {}

  Pickle run() {
    while (step(static_cast<Op>(in_.number<uint8_t>()))) {
    }
    return std::move(out_);
  }

 private:
  using Items = std::vector<uint32_t>;

  bool step(Op op) {
    if (op == kStop) {
      out_.root = pop();
      return false;
    }
    if (!scalar(op) && !string(op) && !container(op) && !memory(op) && !object(op)) {
      refuse_(text("it has the opcode ",
                   static_cast<int>(op),
                   ", which torch.save does not write (protocols 2 to 5)"));
    }
    return true;
  }

  // --- values without parts ---

  bool scalar(Op op) {
    switch (op) {
      case kNone:
        return push({What::kNone});
      case kNewTrue:
      case kNewFalse:
        return push({What::kBool, op == kNewTrue ? 1 : 0});
      case kBinInt:
        return push({What::kInt, in_.number<int32_t>()});
      case kBinInt1:
        return push({What::kInt, in_.number<uint8_t>()});
      case kBinInt2:
        return push({What::kInt, in_.number<uint16_t>()});
      case kLong1:
        return push_long(in_.number<uint8_t>());
      case kLong4:
        return push_long(in_.number<uint32_t>());
      case kBinFloat:
        in_.take(8);
        return push({What::kFloat});
      default:
        return false;
    }
  }

  // Two's complement; what does not fit 64 bits is no size of a tensor, so its value is of no interest.
  bool push_long(uint64_t bytes) {
    const auto digits = in_.take(bytes);
    if (bytes > sizeof(int64_t)) {
      return push({What::kOpaque, 0, "builtins", "int"});
    }
    uint64_t value =
        !digits.empty() && (digits.back() & std::byte{0x80}) != std::byte{0} ? ~uint64_t{0} : 0;
    for (size_t i = digits.size(); i-- > 0;) {
      value = value << 8U | std::to_integer<uint64_t>(digits[i]);
    }
    return push({What::kInt, static_cast<int64_t>(value)});
  }

  bool string(Op op) {
    switch (op) {
      case kShortBinString:
      case kShortBinUnicode:
      case kShortBinBytes:
        return push_text(in_.number<uint8_t>());
      case kBinString:
      case kBinUnicode:
      case kBinBytes:
        return push_text(in_.number<uint32_t>());
      case kBinUnicode8:
      case kBinBytes8:
      case kByteArray8:
        return push_text(in_.number<uint64_t>());
      default:
        return false;
    }
  }

  bool push_text(uint64_t bytes) { return push({What::kText, 0, in_.text(bytes)}); }

  // --- containers ---

  bool container(Op op) {
    switch (op) {
      case kEmptyTuple:
        return push({What::kTuple});
      case kTuple1:
      case kTuple2:
      case kTuple3:
        return push({What::kTuple, 0, {}, {}, pop_items(op - kTuple1 + size_t{1})});
      case kTuple:
        return push({What::kTuple, 0, {}, {}, pop_to_mark()});
      case kEmptyList:
      case kEmptySet:
        return push({What::kList});
      case kList:
      case kFrozenSet:
        return push({What::kList, 0, {}, {}, pop_to_mark()});
      case kEmptyDict:
        return push({What::kDict});
      case kDict:
        return push({What::kDict}) && swap_in_items();
      case kAppend:
        return add(What::kList, pop_items(1));
      case kAppends:
      case kAddItems:
        return add(What::kList, pop_to_mark());
      case kSetItem:
        return add(What::kDict, pop_items(2));
      case kSetItems:
        return add(What::kDict, pop_to_mark());
      default:
        return false;
    }
  }

  // DICT: the items lie below the dict that was just pushed.
  bool swap_in_items() {
    const uint32_t dict = pop();
    const Items items = pop_to_mark();
    stack_.push_back(dict);
    return add(What::kDict, items);
  }

  // To the container on the stack; of an opaque object nothing is kept.
  bool add(What kind, const Items& items) {
    PickleValue& to = out_.values[top()];
    if (to.kind == kind && (kind == What::kList || items.size() % 2 == 0)) {
      to.items.insert(to.items.end(), items.begin(), items.end());
    } else if (to.kind != What::kOpaque) {
      refuse_("it adds items to what is no container for them");
    }
    return true;
  }

  // --- the stack and the memo ---

  bool memory(Op op) {
    switch (op) {
      case kMark:
        return mark();
      case kPop:
        std::ignore = pop();
        return true;
      case kPopMark:
        std::ignore = pop_to_mark();
        return true;
      case kDup:
        return push_again(top());
      case kBinPut:
        return put(in_.number<uint8_t>());
      case kLongBinPut:
        return put(in_.number<uint32_t>());
      case kMemoize:
        return put(static_cast<uint32_t>(memo_.size()));
      case kBinGet:
        return get(in_.number<uint8_t>());
      case kLongBinGet:
        return get(in_.number<uint32_t>());
      case kProto:
        return check_protocol(in_.number<uint8_t>());
      case kFrame:  // of use to who reads a stream
        in_.take(8);
        return true;
      default:
        return false;
    }
  }

  bool check_protocol(uint8_t protocol) {
    if (protocol < 2 || protocol > 5) {
      refuse_(text("it is of protocol ", int{protocol}, "; 2 to 5 are read here"));
    }
    return true;
  }

  bool push(PickleValue value) {
    if (out_.values.size() >= kMaxValues) {
      refuse_(text("it has more than ", kMaxValues, " values"));
    }
    charge(value.items.size());
    out_.values.push_back(std::move(value));
    return push_again(static_cast<uint32_t>(out_.values.size() - 1));
  }

  bool push_again(uint32_t value) {
    charge(1);
    stack_.push_back(value);
    return true;
  }

  void charge(size_t uses) {
    uses_ += uses;
    if (uses_ > kMaxUses) {
      refuse_(text("it uses values more than ", kMaxUses, " times"));
    }
  }

  [[nodiscard]] size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }

  uint32_t top() {
    if (stack_.size() <= floor()) {
      refuse_("it takes a value where none is");
    }
    return stack_.back();
  }

  uint32_t pop() {
    const uint32_t out = top();
    stack_.pop_back();
    return out;
  }

  Items pop_items(size_t count) {
    if (stack_.size() - floor() < count) {
      refuse_("it takes values where none are");
    }
    Items out(stack_.end() - static_cast<std::ptrdiff_t>(count), stack_.end());
    stack_.resize(stack_.size() - count);
    return out;
  }

  Items pop_to_mark() {
    if (marks_.empty()) {
      refuse_("it goes back to a mark where none is");
    }
    Items out = pop_items(stack_.size() - marks_.back());
    marks_.pop_back();
    return out;
  }

  bool mark() {
    if (marks_.size() >= kMaxDepth) {
      refuse_(text("it is nested deeper than ", kMaxDepth, " levels"));
    }
    marks_.push_back(stack_.size());
    return true;
  }

  bool put(uint32_t slot) {
    if (memo_.size() >= kMaxValues) {
      refuse_(text("its memo has more than ", kMaxValues, " values"));
    }
    memo_[slot] = top();
    return true;
  }

  bool get(uint32_t slot) {
    const auto found = memo_.find(slot);
    if (found == memo_.end()) {
      refuse_(text("it takes value ", slot, " of its memo, which it has not put there"));
    }
    return push_again(found->second);
  }

  // --- classes and objects ---

  bool object(Op op) {
    switch (op) {
      case kGlobal: {
        const std::string_view module = in_.line();
        return push({What::kGlobal, 0, module, in_.line()});
      }
      case kStackGlobal: {
        const Items names = pop_items(2);
        return push({What::kGlobal, 0, out_.at(names[0]).text, out_.at(names[1]).text});
      }
      case kReduce: {
        const Items call = pop_items(2);
        return reduce(call[0], call[1]);
      }
      case kNewObj:
        return push_opaque(pop_items(2)[0]);
      case kNewObjEx:
        return push_opaque(pop_items(3)[0]);
      case kBuild:  // attributes: of no interest
        std::ignore = pop();
        std::ignore = top();
        return true;
      case kBinPersid:
        return push({What::kStorage, 0, {}, {}, items_of(pop())});
      default:
        return false;
    }
  }

  // Of a tuple. Values stay where they are, so the reference holds.
  [[nodiscard]] const Items& items_of(uint32_t tuple) const {
    static const Items none;
    const PickleValue& v = out_.at(tuple);
    return v.kind == What::kTuple ? v.items : none;
  }

  bool push_opaque(uint32_t of) {
    const PickleValue& type = out_.at(of);
    const bool named = type.kind == What::kGlobal || type.kind == What::kOpaque;
    return push({What::kOpaque, 0, named ? type.text : "", named ? type.name : "an object"});
  }

  // A call. What it would return is described where that is a tensor or a container of ours.
  bool reduce(uint32_t function, uint32_t arguments) {
    constexpr std::string_view kUtils = "torch._utils";
    const PickleValue& f = out_.at(function);
    const Items& args = items_of(arguments);
    if (is_class(f, kUtils, "_rebuild_tensor_v2") || is_class(f, kUtils, "_rebuild_tensor") ||
        is_class(f, kUtils, "_rebuild_tensor_v3")) {
      return push({What::kTensor, 0, {}, f.name, args});
    }
    if (!args.empty() && (is_class(f, kUtils, "_rebuild_parameter") ||
                          is_class(f, kUtils, "_rebuild_parameter_with_state"))) {
      return push_again(args[0]);
    }
    // function, type, arguments, state: a tensor that was given attributes.
    if (args.size() > 2 && is_class(f, "torch._tensor", "_rebuild_from_type_v2") &&
        out_.at(args[0]).text == kUtils) {
      return reduce(args[0], args[2]);
    }
    if (is_class(f, "collections", "OrderedDict")) {
      return push({What::kDict, 0, {}, {}, args.empty() ? Items{} : items_of_pairs(args[0])});
    }
    if (args.size() == 1 && is_class(f, "torch", "Size")) {
      return push({What::kTuple, 0, {}, {}, items_of(args[0])});
    }
    return push_opaque(function);
  }

  Items items_of_pairs(uint32_t list) {
    Items out;
    charge(out_.at(list).items.size());
    for (const uint32_t pair : out_.at(list).items) {
      const Items& parts = out_.at(pair).items;
      if (parts.size() == 2) {
        out.insert(out.end(), parts.begin(), parts.end());
      }
    }
    return out;
  }

  ByteCursor in_;
  const Refuse& refuse_;
  Pickle out_;
  Items stack_;
  std::vector<size_t> marks_;
  std::unordered_map<uint32_t, uint32_t> memo_;
  size_t uses_ = 0;
};

}  // namespace

const PickleValue* Pickle::find(const PickleValue& dict, std::string_view key) const {
  if (dict.kind != What::kDict) {
    return nullptr;
  }
  for (size_t i = dict.items.size(); i >= 2; i -= 2) {
    if (at(dict.items[i - 2]).kind == What::kText && at(dict.items[i - 2]).text == key) {
      return &at(dict.items[i - 1]);
    }
  }
  return nullptr;
}

Pickle read_pickle(std::span<const std::byte> bytes, const Refuse& refuse) {
  return Machine(bytes, refuse).run();
}

}  // namespace strata::checkpoint
