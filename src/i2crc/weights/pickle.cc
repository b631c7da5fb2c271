// SPDX-License-Identifier: Apache-2.0
// Opcodes after Lib/pickletools.py of CPython.
#include "i2crc/weights/pickle.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstdlib>
#include <limits>
#include <string_view>
#include <unordered_map>

#include "i2crc/core/error.h"
#include "i2crc/weights/checked.h"
#include "i2crc/weights/pickle_globals.h"

namespace i2crc {
namespace {

// Far above a state dict with its optimizer (about 40 objects a parameter), and it bounds the
// memory: a one-byte opcode can make an object of a hundred bytes.
constexpr size_t kMaxObjects = 1'000'000;
constexpr size_t kMaxMarks = 1000;
constexpr size_t kMaxLongBytes = 1024;

}  // namespace

// The stack machine. Values are made in Pickle::nodes_ and never destroyed before it, so deep
// nesting costs no recursion anywhere.
class PickleMachine {
 public:
  using Ref = Pickle::Ref;
  using Kind = Pickle::Kind;
  using Node = Pickle::Node;

  PickleMachine(std::span<const uint8_t> bytes, const std::string& file, Pickle& pickle)
      : bytes_(bytes), file_(file), pickle_(pickle) {
    none_ = Make({});
    true_ = Make({.kind = Kind::kBool, .integer = 1, .text = {}, .items = {}});
    false_ = Make({.kind = Kind::kBool, .integer = 0, .text = {}, .items = {}});
  }

  void Run() {
    while (true) {
      opcode_at_ = position_;
      const uint8_t opcode = Number<uint8_t>();
      if (opcode == '.') break;
      if (!Scalar(opcode) && !Text(opcode) && !Container(opcode) && !Memory(opcode) &&
          !Object(opcode))
        Damaged(fmt::format("the opcode 0x{:02x}, which no state dict has", opcode));
    }
    const Ref root = Pop();
    if (!stack_.empty() || !marks_.empty()) Damaged("values left over at its end");
    pickle_.root_ = root;
    pickle_.size_ = position_;
  }

 private:
  [[noreturn]] void Damaged(std::string_view what) const {
    Fail("{}: its pickle is damaged or no state dict's: {} (at byte {})", file_, what, opcode_at_);
  }

  // Input.
  std::span<const uint8_t> Take(uint64_t count) {
    if (count > bytes_.size() - position_) Damaged("it ends too early");
    const auto taken = bytes_.subspan(position_, count);
    position_ += count;
    return taken;
  }
  template <typename T>
  T Number() {
    return LoadLittleEndian<T>(Take(sizeof(T)));
  }
  std::string TakeText(uint64_t count) {
    const auto taken = Take(count);
    return {taken.begin(), taken.end()};
  }
  std::string TakeLine() {
    const auto rest = bytes_.subspan(position_);
    const auto end = std::find(rest.begin(), rest.end(), '\n');
    if (end == rest.end()) Damaged("it ends too early");
    std::string line(rest.begin(), end);
    position_ += line.size() + 1;
    return line;
  }
  int64_t TakeDecimal(std::string_view line) const {
    int64_t value = 0;
    const auto [end, failure] = std::from_chars(line.data(), line.data() + line.size(), value);
    if (failure != std::errc() || end != line.data() + line.size())
      Damaged(fmt::format("the number {}", QuotedName(line)));
    return value;
  }

  // Values and stack.
  Ref Make(Node node) {
    Charge(1);
    pickle_.nodes_.push_back(std::move(node));
    return static_cast<Ref>(pickle_.nodes_.size() - 1);
  }
  void Charge(size_t objects) {
    if (objects > kMaxObjects - objects_)
      Fail("{}: its pickle has more than {} objects", file_, kMaxObjects);
    objects_ += objects;
  }
  Node& At(Ref ref) { return pickle_.nodes_[ref]; }
  void Push(Ref ref) {
    if (stack_.size() >= kMaxObjects) Fail("{}: its pickle piles up too many values", file_);
    stack_.push_back(ref);
  }
  // Values below the last mark belong to what is being built there.
  size_t Floor() const { return marks_.empty() ? 0 : marks_.back(); }
  Ref Pop() {
    if (stack_.size() <= Floor()) Damaged("a value is missing");
    const Ref ref = stack_.back();
    stack_.pop_back();
    return ref;
  }
  Ref Top() {
    if (stack_.size() <= Floor()) Damaged("a value is missing");
    return stack_.back();
  }
  std::vector<Ref> PopCount(size_t count) {
    if (stack_.size() - Floor() < count) Damaged("a value is missing");
    std::vector<Ref> values(stack_.end() - static_cast<std::ptrdiff_t>(count), stack_.end());
    stack_.resize(stack_.size() - count);
    return values;
  }
  std::vector<Ref> PopMark() {
    if (marks_.empty()) Damaged("a mark is missing");
    std::vector<Ref> values = PopCount(stack_.size() - marks_.back());
    marks_.pop_back();
    return values;
  }
  void PushItems(Kind kind, std::vector<Ref> items) {
    Push(Make({.kind = kind, .text = {}, .items = std::move(items)}));
  }
  void PushText(Kind kind, std::string text) {
    Push(Make({.kind = kind, .text = std::move(text), .items = {}}));
  }
  void PushInt(int64_t value) {
    Push(Make({.kind = Kind::kInt, .integer = value, .text = {}, .items = {}}));
  }
  void PushFloat(double value) {
    Push(Make({.kind = Kind::kFloat, .real = value, .text = {}, .items = {}}));
  }

  void PushLong(std::string little_endian) {
    if (little_endian.size() > kMaxLongBytes)
      Damaged(fmt::format("an integer of {} bytes", little_endian.size()));
    if (little_endian.size() > 8) return PushText(Kind::kLong, std::move(little_endian));
    const bool negative =
        !little_endian.empty() && (static_cast<unsigned char>(little_endian.back()) & 0x80) != 0;
    little_endian.resize(8, negative ? '\xff' : '\0');
    int64_t value = 0;
    std::memcpy(&value, little_endian.data(), 8);
    PushInt(value);
  }

  // "…L" of protocols 0 and 1.
  void PushDecimalLong(std::string_view line) {
    if (!line.empty() && line.back() == 'L') line.remove_suffix(1);
    if (line.size() <= 18) return PushInt(TakeDecimal(line));
    const bool negative = line.front() == '-';
    const std::string_view digits = line.substr(negative ? 1 : 0);
    if (digits.size() > kMaxLongBytes ||
        !std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; }))
      Damaged(fmt::format("the integer {}", QuotedName(line)));
    // Room for the sign is kept at the top, and what is not needed taken off in the end.
    std::string value(digits.size() / 2 + 2, '\0');
    const auto add = [&](unsigned factor, unsigned carry) {
      for (char& byte : value) {
        carry += factor * static_cast<unsigned char>(byte);
        byte = static_cast<char>(carry & 0xffu);
        carry >>= 8;
      }
    };
    for (const char digit : digits) add(10, static_cast<unsigned>(digit - '0'));
    if (negative) {
      for (char& byte : value) byte = static_cast<char>(~byte);
      add(1, 1);
    }
    const auto sign = [](char byte) { return (static_cast<unsigned char>(byte) & 0x80) != 0; };
    while (value.size() > 1 && value.back() == (negative ? '\xff' : '\0') &&
           sign(value[value.size() - 2]) == negative)
      value.pop_back();
    PushLong(std::move(value));
  }

  bool Scalar(uint8_t opcode) {
    switch (opcode) {
      case 'N':  // NONE
        Push(none_);
        return true;
      case 0x88:  // NEWTRUE
        Push(true_);
        return true;
      case 0x89:  // NEWFALSE
        Push(false_);
        return true;
      case 'K':  // BININT1
        PushInt(Number<uint8_t>());
        return true;
      case 'M':  // BININT2
        PushInt(Number<uint16_t>());
        return true;
      case 'J':  // BININT
        PushInt(Number<int32_t>());
        return true;
      case 0x8a:  // LONG1
        PushLong(TakeText(Number<uint8_t>()));
        return true;
      case 0x8b: {  // LONG4
        const auto size = Number<int32_t>();
        if (size < 0 || static_cast<size_t>(size) > kMaxLongBytes)
          Damaged(fmt::format("an integer of {} bytes", size));
        PushLong(TakeText(static_cast<uint64_t>(size)));
        return true;
      }
      case 'G':  // BINFLOAT, big-endian
        PushFloat(std::bit_cast<double>(__builtin_bswap64(Number<uint64_t>())));
        return true;
      case 'I': {  // INT, of protocol 1 also for True and False
        const std::string line = TakeLine();
        if (line == "00" || line == "01")
          Push(line == "01" ? true_ : false_);
        else
          PushInt(TakeDecimal(line));
        return true;
      }
      case 'L':  // LONG
        PushDecimalLong(TakeLine());
        return true;
      case 'F': {  // FLOAT
        const std::string line = TakeLine();
        double value = 0;
        const auto [end, failure] = std::from_chars(line.data(), line.data() + line.size(), value);
        if (failure != std::errc() || end != line.data() + line.size())
          Damaged(fmt::format("the number {}", QuotedName(line)));
        PushFloat(value);
        return true;
      }
      default:
        return false;
    }
  }

  // The quoted texts of protocol 0 are not read: its persistent ids cannot name a storage, so no
  // PyTorch file has them.
  bool Text(uint8_t opcode) {
    switch (opcode) {
      case 'X':  // BINUNICODE
        PushText(Kind::kText, TakeText(Number<uint32_t>()));
        return true;
      case 0x8c:  // SHORT_BINUNICODE
        PushText(Kind::kText, TakeText(Number<uint8_t>()));
        return true;
      case 0x8d:  // BINUNICODE8
        PushText(Kind::kText, TakeText(Number<uint64_t>()));
        return true;
      case 'T':  // BINSTRING: a str of Python 2
        PushText(Kind::kText, TakeText(Number<uint32_t>()));
        return true;
      case 'U':  // SHORT_BINSTRING
        PushText(Kind::kText, TakeText(Number<uint8_t>()));
        return true;
      case 'B':  // BINBYTES
        PushText(Kind::kBytes, TakeText(Number<uint32_t>()));
        return true;
      case 'C':  // SHORT_BINBYTES
        PushText(Kind::kBytes, TakeText(Number<uint8_t>()));
        return true;
      case 0x8e:  // BINBYTES8
      case 0x96:  // BYTEARRAY8
        PushText(Kind::kBytes, TakeText(Number<uint64_t>()));
        return true;
      default:
        return false;
    }
  }

  bool Container(uint8_t opcode) {
    switch (opcode) {
      case '(':  // MARK
        if (marks_.size() >= kMaxMarks)
          Fail("{}: its pickle is nested deeper than {} levels", file_, kMaxMarks);
        marks_.push_back(stack_.size());
        return true;
      case ')':  // EMPTY_TUPLE
        PushItems(Kind::kTuple, {});
        return true;
      case 0x85:  // TUPLE1, TUPLE2, TUPLE3
      case 0x86:
      case 0x87:
        PushItems(Kind::kTuple, PopCount(opcode - 0x84u));
        return true;
      case 't':  // TUPLE
        PushItems(Kind::kTuple, PopMark());
        return true;
      case ']':  // EMPTY_LIST
        PushItems(Kind::kList, {});
        return true;
      case 'l':  // LIST
        PushItems(Kind::kList, PopMark());
        return true;
      case '}':  // EMPTY_DICT
        PushItems(Kind::kDict, {});
        return true;
      case 'd':  // DICT
        PushDict(PopMark());
        return true;
      case 0x8f:  // EMPTY_SET
        PushItems(Kind::kSet, {});
        return true;
      case 0x91:  // FROZENSET
        PushItems(Kind::kSet, PopMark());
        return true;
      case 'a':  // APPEND
        Extend(Kind::kList, PopCount(1));
        return true;
      case 'e':  // APPENDS
        Extend(Kind::kList, PopMark());
        return true;
      case 0x90:  // ADDITEMS
        Extend(Kind::kSet, PopMark());
        return true;
      case 's':  // SETITEM
        Extend(Kind::kDict, PopCount(2));
        return true;
      case 'u':  // SETITEMS
        Extend(Kind::kDict, PopMark());
        return true;
      default:
        return false;
    }
  }

  void PushDict(std::vector<Ref> items) {
    if (items.size() % 2 != 0) Damaged("a key without its value");
    PushItems(Kind::kDict, std::move(items));
  }

  void Extend(Kind kind, const std::vector<Ref>& items) {
    Node& target = At(Top());
    if (target.kind != kind) Damaged("items for a value that holds none");
    if (kind == Kind::kDict && items.size() % 2 != 0) Damaged("a key without its value");
    target.items.insert(target.items.end(), items.begin(), items.end());
  }

  bool Memory(uint8_t opcode) {
    switch (opcode) {
      case '0':  // POP takes a mark too
        if (!marks_.empty() && stack_.size() == marks_.back())
          marks_.pop_back();
        else
          Pop();
        return true;
      case '1':  // POP_MARK
        PopMark();
        return true;
      case '2':  // DUP
        Push(Top());
        return true;
      case 'g':  // GET
        Recall(static_cast<uint64_t>(TakeDecimal(TakeLine())));
        return true;
      case 'h':  // BINGET
        Recall(Number<uint8_t>());
        return true;
      case 'j':  // LONG_BINGET
        Recall(Number<uint32_t>());
        return true;
      case 'p':  // PUT
        Remember(static_cast<uint64_t>(TakeDecimal(TakeLine())));
        return true;
      case 'q':  // BINPUT
        Remember(Number<uint8_t>());
        return true;
      case 'r':  // LONG_BINPUT
        Remember(Number<uint32_t>());
        return true;
      case 0x94:  // MEMOIZE
        Remember(memo_.size());
        return true;
      default:
        return false;
    }
  }

  void Remember(uint64_t key) {
    if (memo_.size() >= kMaxObjects) Fail("{}: its pickle remembers too many values", file_);
    memo_[key] = Top();
  }
  void Recall(uint64_t key) {
    const auto found = memo_.find(key);
    if (found == memo_.end()) Damaged(fmt::format("the value {} is not remembered", key));
    Push(found->second);
  }

  bool Object(uint8_t opcode) {
    switch (opcode) {
      case 0x80: {  // PROTO
        const auto protocol = Number<uint8_t>();
        if (protocol > 5) Damaged(fmt::format("protocol {}", protocol));
        return true;
      }
      case 0x95: {  // FRAME: a hint for readers from streams
        const auto size = Number<uint64_t>();
        if (size > bytes_.size() - position_) Damaged("it ends too early");
        return true;
      }
      case 'c': {  // GLOBAL
        const std::string module = TakeLine();
        PushGlobal(module, TakeLine());
        return true;
      }
      case 0x93: {  // STACK_GLOBAL
        const std::vector<Ref> names = PopCount(2);
        if (At(names[0]).kind != Kind::kText || At(names[1]).kind != Kind::kText)
          Damaged("a global that is not named by texts");
        PushGlobal(At(names[0]).text, At(names[1]).text);
        return true;
      }
      case 'Q':  // BINPERSID
        PushItems(Kind::kPersistent, PopCount(1));
        return true;
      case 'R':     // REDUCE
      case 0x81: {  // NEWOBJ
        const std::vector<Ref> call = PopCount(2);
        Call(At(call[0]), At(call[1]));
        return true;
      }
      case 'b': {  // BUILD: attributes, such as a state dict's _metadata. No value has any that we
                   // use.
        Pop();
        const Kind kind = At(Top()).kind;
        if (kind != Kind::kDict && kind != Kind::kCall) Damaged("attributes for a plain value");
        return true;
      }
      default:
        return false;
    }
  }

  void PushGlobal(const std::string& module, const std::string& name) {
    if (!IsAllowedGlobal(module, name))
      Fail(
          "{}: its pickle names {}, which no state dict needs; nothing was executed. Save the "
          "model's state_dict() alone, or convert the file to safetensors",
          file_, QuotedName(module + "." + name));
    PushText(Kind::kGlobal, module + "." + name);
  }

  void Call(const Node& callee, const Node& arguments) {
    if (callee.kind != Kind::kGlobal || arguments.kind != Kind::kTuple)
      Damaged("a call of what is no function");
    switch (KindOfGlobal(callee.text)) {
      case GlobalKind::kDict:
        return PushOrderedDict(arguments);
      case GlobalKind::kSize:
        if (arguments.items.size() != 1 || At(arguments.items[0]).kind != Kind::kTuple)
          Damaged("a torch.Size of something else than a tuple");
        return Push(arguments.items[0]);
      case GlobalKind::kParameter:
        if (arguments.items.empty())
          Damaged(fmt::format("a call of {} without a value", callee.text));
        return Push(arguments.items[0]);
      case GlobalKind::kFunction:
        Charge(arguments.items.size());
        return Push(Make({.kind = Kind::kCall, .text = callee.text, .items = arguments.items}));
      case GlobalKind::kNotCallable:
        Damaged(fmt::format("a call of {}", callee.text));
    }
  }

  // Python 3 calls it without arguments and sets the items then; Python 2 gives a list of pairs.
  void PushOrderedDict(const Node& arguments) {
    std::vector<Ref> items;
    if (arguments.items.size() > 1) Damaged("a dictionary of more than one value");
    if (!arguments.items.empty()) {
      const Node& pairs = At(arguments.items[0]);
      // The same list may be used again and again, so copies count as objects.
      Charge(pairs.items.size());
      if (pairs.kind == Kind::kDict) {
        items = pairs.items;
      } else {
        if (pairs.kind != Kind::kList && pairs.kind != Kind::kTuple)
          Damaged("a dictionary of what is no list");
        for (const Ref ref : pairs.items) {
          const Node& pair = At(ref);
          if ((pair.kind != Kind::kList && pair.kind != Kind::kTuple) || pair.items.size() != 2)
            Damaged("a dictionary's item that is no pair");
          items.insert(items.end(), pair.items.begin(), pair.items.end());
        }
      }
    }
    PushItems(Kind::kDict, std::move(items));
  }

  std::span<const uint8_t> bytes_;
  const std::string& file_;
  Pickle& pickle_;
  size_t position_ = 0;
  size_t opcode_at_ = 0;
  size_t objects_ = 0;
  Ref none_ = 0;
  Ref true_ = 0;
  Ref false_ = 0;
  std::vector<Ref> stack_;
  std::vector<size_t> marks_;
  std::unordered_map<uint64_t, Ref> memo_;
};

Pickle::Pickle(std::span<const uint8_t> bytes, const std::string& file) {
  PickleMachine(bytes.first(std::min<size_t>(bytes.size(), kMaxHeaderBytes)), file, *this).Run();
}

}  // namespace i2crc
