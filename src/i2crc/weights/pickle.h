// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <vector>

namespace i2crc {

// What a pickle describes, as plain data: nothing is imported, called or executed. A call of an
// allowed global (the few that state dicts use) stays a kCall node with its arguments, except that
// an OrderedDict becomes a kDict.
class Pickle {
 public:
  // A value is a number into the pickle's own store: values may be shared and may even contain
  // themselves.
  using Ref = uint32_t;

  enum class Kind {
    kNone,
    kBool,        // integer: 0 or 1
    kInt,         // integer
    kLong,        // text: little-endian two's complement of more than 64 bits
    kFloat,       // real
    kText,        // text
    kBytes,       // text
    kTuple,       // items
    kList,        // items
    kSet,         // items
    kDict,        // items: key, value, key, value …
    kGlobal,      // text: "module.name"
    kPersistent,  // items[0]: the persistent id
    kCall,        // text: the global that is called; items: its arguments
  };

  struct Node {
    Kind kind = Kind::kNone;
    int64_t integer = 0;
    double real = 0;
    std::string text;
    std::vector<Ref> items;
  };

  // Interprets one pickle (protocols 0 to 5) at the start of bytes. file stands in messages. Throws
  // Error where it is damaged, above the limits on objects, or names a global that no state dict
  // needs.
  Pickle(std::span<const uint8_t> bytes, const std::string& file);

  const Node& root() const { return nodes_[root_]; }
  const Node& at(Ref ref) const { return nodes_[ref]; }
  const std::deque<Node>& nodes() const { return nodes_; }
  // Bytes from the start to the STOP opcode, which is included.
  size_t size() const { return size_; }

 private:
  friend class PickleMachine;
  std::deque<Node> nodes_;
  Ref root_ = 0;
  size_t size_ = 0;
};

}  // namespace i2crc
