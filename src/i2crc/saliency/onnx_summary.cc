// SPDX-License-Identifier: Apache-2.0
#include "i2crc/saliency/onnx_summary.h"

#include <fmt/ranges.h>

#include <limits>
#include <optional>
#include <set>

#include "i2crc/core/error.h"

namespace i2crc {
namespace {

enum WireType { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

// Thrown and caught in this file alone.
struct Malformed {};

// The fields of one protobuf message, one after another.
class MessageReader {
 public:
  explicit MessageReader(std::span<const uint8_t> rest) : rest_(rest) {}

  // Moves to the next field; false at the end of the message.
  bool Next() {
    if (rest_.empty()) return false;
    const uint64_t tag = TakeVarint();
    field_ = tag >> 3;
    wire_type_ = static_cast<int>(tag & 7);
    bytes_ = {};
    number_ = 0;
    switch (wire_type_) {
      case kVarint:
        number_ = TakeVarint();
        break;
      case kFixed64:
        bytes_ = Take(8);
        break;
      case kBytes:
        bytes_ = Take(TakeVarint());
        break;
      case kFixed32:
        bytes_ = Take(4);
        break;
      default:
        throw Malformed();
    }
    return true;
  }

  uint64_t field() const { return field_; }

  int64_t Number() const {
    if (wire_type_ != kVarint) throw Malformed();
    return static_cast<int64_t>(number_);
  }
  std::span<const uint8_t> Bytes() const {
    if (wire_type_ != kBytes) throw Malformed();
    return bytes_;
  }
  std::string Text() const {
    const auto bytes = Bytes();
    return {bytes.begin(), bytes.end()};
  }
  // How many values a repeated number field holds here, packed or one at a time. fixed_bytes: of
  // each value where it is fixed32 or fixed64, 0 for varints.
  uint64_t CountOfNumbers(size_t fixed_bytes) const {
    if (wire_type_ != kBytes) return 1;
    if (fixed_bytes > 0) {
      if (bytes_.size() % fixed_bytes != 0) throw Malformed();
      return bytes_.size() / fixed_bytes;
    }
    uint64_t count = 0;
    for (MessageReader packed(bytes_); !packed.rest_.empty(); ++count) packed.TakeVarint();
    return count;
  }
  void AppendNumbers(std::vector<int64_t>& numbers) const {
    if (wire_type_ == kVarint) {
      numbers.push_back(Number());
      return;
    }
    for (MessageReader packed(Bytes()); !packed.rest_.empty();)
      numbers.push_back(static_cast<int64_t>(packed.TakeVarint()));
  }

 private:
  uint64_t TakeVarint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 70; shift += 7) {
      const uint8_t byte = Take(1)[0];
      if (shift == 63 && byte > 1) break;
      value |= uint64_t{byte & 0x7fu} << shift;
      if (byte < 0x80) return value;
    }
    throw Malformed();
  }
  std::span<const uint8_t> Take(uint64_t count) {
    if (count > rest_.size()) throw Malformed();
    const auto taken = rest_.first(static_cast<size_t>(count));
    rest_ = rest_.subspan(static_cast<size_t>(count));
    return taken;
  }

  std::span<const uint8_t> rest_;
  uint64_t field_ = 0;
  int wire_type_ = 0;
  uint64_t number_ = 0;
  std::span<const uint8_t> bytes_;
};

// Bytes of one value in raw_data, by TensorProto.DataType; 0 for texts and types that are unknown.
uint64_t ElementBytes(int64_t type) {
  switch (type) {
    case 1:   // float
    case 6:   // int32
    case 12:  // uint32
      return 4;
    case 2:  // uint8
    case 3:  // int8
    case 9:  // bool
      return 1;
    case 4:   // uint16
    case 5:   // int16
    case 10:  // float16
    case 16:  // bfloat16
      return 2;
    case 7:   // int64
    case 11:  // double
    case 13:  // uint64
    case 14:  // complex64
      return 8;
    case 15:  // complex128
      return 16;
    default:
      return 0;
  }
}

std::string TensorLabel(const std::string& name) {
  return name.empty() ? "a stored tensor" : fmt::format("tensor '{}'", name);
}

// A TensorProto whose values have been counted.
struct StoredTensor {
  std::string name;
  std::vector<int64_t> dims;
  int64_t type = 0;
  uint64_t raw_bytes = 0;
  uint64_t numbers = 0;  // in float_data, int32_data, …
  bool external = false;
};

StoredTensor ReadTensor(std::span<const uint8_t> bytes) {
  StoredTensor tensor;
  for (MessageReader message(bytes); message.Next();) {
    switch (message.field()) {
      case 1:
        message.AppendNumbers(tensor.dims);
        break;
      case 2:
        tensor.type = message.Number();
        break;
      case 4:  // float_data
        tensor.numbers += message.CountOfNumbers(4);
        break;
      case 5:   // int32_data, also of the narrower types
      case 7:   // int64_data
      case 11:  // uint64_data
        tensor.numbers += message.CountOfNumbers(0);
        break;
      case 8:
        tensor.name = message.Text();
        break;
      case 9:
        tensor.raw_bytes = message.Bytes().size();
        break;
      case 10:  // double_data
        tensor.numbers += message.CountOfNumbers(8);
        break;
      case 13:
        tensor.external = true;
        break;
      case 14:
        tensor.external |= message.Number() == 1;
        break;
      default:
        break;
    }
  }
  return tensor;
}

// Elements of a shape that a file can hold; nothing where it is negative or beyond 2^31 − 1.
std::optional<uint64_t> Elements(std::span<const int64_t> shape) {
  constexpr int64_t kMost = std::numeric_limits<int32_t>::max();
  int64_t elements = 1;
  for (const int64_t side : shape) {
    if (side < 0 || side > kMost) return std::nullopt;
    elements *= side;
    if (elements > kMost) return std::nullopt;
  }
  return static_cast<uint64_t>(elements);
}

class SummaryReader {
 public:
  explicit SummaryReader(const std::string& name) : file_(name) {}

  OnnxSummary Read(std::span<const uint8_t> bytes) {
    if (bytes.empty()) Fail("{}: the file is empty", file_);
    bool has_version = false, has_graph = false;
    try {
      for (MessageReader model(bytes); model.Next();) {
        // ir_version and a length where the network stands: no other format begins so.
        if (model.field() == 1) has_version = model.Number() > 0;
        if (model.field() == 7) {
          has_graph = true;
          in_graph_ = true;
          ReadGraph(model.Bytes(), 0);
          in_graph_ = false;
        }
      }
    } catch (const Malformed&) {
      if (in_graph_) Fail("{}: damaged ONNX file", file_);
      if (has_version) Fail("{}: ONNX file is cut short or damaged", file_);
      Fail("{}: not an ONNX file", file_);
    }
    if (!has_version) Fail("{}: not an ONNX file", file_);
    if (!has_graph) Fail("{}: ONNX file without a network", file_);
    return Take();
  }

 private:
  void ReadGraph(std::span<const uint8_t> bytes, int depth) {
    if (depth > kMaxDepth) throw Malformed();
    for (MessageReader graph(bytes); graph.Next();) {
      switch (graph.field()) {
        case 1:
          ReadNode(graph.Bytes(), depth);
          break;
        case 5:
          CheckTensor(graph.Bytes(), depth == 0);
          break;
        case 11:
          if (depth == 0) summary_.inputs.push_back(ReadValue(graph.Bytes()));
          break;
        case 12:
          if (depth == 0) summary_.outputs.push_back(ReadValue(graph.Bytes()));
          break;
        default:
          break;
      }
    }
  }

  void ReadNode(std::span<const uint8_t> bytes, int depth) {
    for (MessageReader node(bytes); node.Next();) {
      if (node.field() != 5) continue;
      for (MessageReader attribute(node.Bytes()); attribute.Next();) {
        const uint64_t field = attribute.field();
        if (field == 5 || field == 10) CheckTensor(attribute.Bytes(), false);    // t, tensors
        if (field == 6 || field == 11) ReadGraph(attribute.Bytes(), depth + 1);  // g, graphs
      }
    }
  }

  void CheckTensor(std::span<const uint8_t> bytes, bool is_initializer) {
    const StoredTensor tensor = ReadTensor(bytes);
    if (tensor.external)
      Fail("{}: {} stands in another file; save the network as one file", file_,
           TensorLabel(tensor.name));
    const auto elements = Elements(tensor.dims);
    const uint64_t width = ElementBytes(tensor.type);
    const bool has_all =
        elements && (width == 0 || tensor.numbers == *elements ||
                     (tensor.numbers == 0 && tensor.raw_bytes == *elements * width));
    if (!has_all)
      Fail("{}: {} of shape {} has too few or too many values: damaged ONNX file", file_,
           TensorLabel(tensor.name), OnnxShapeText(tensor.dims));
    if (is_initializer) initializers_.insert(tensor.name);
  }

  static OnnxValue ReadValue(std::span<const uint8_t> bytes) {
    OnnxValue value;
    for (MessageReader info(bytes); info.Next();) {
      if (info.field() == 1) value.name = info.Text();
      if (info.field() != 2) continue;
      for (MessageReader type(info.Bytes()); type.Next();) {
        if (type.field() != 1) continue;  // a sequence or a map
        for (MessageReader tensor(type.Bytes()); tensor.Next();) {
          if (tensor.field() == 1) value.element_type = static_cast<int>(tensor.Number() & 0xff);
          if (tensor.field() == 2) value.shape = ReadShape(tensor.Bytes());
        }
      }
    }
    return value;
  }

  static std::vector<int64_t> ReadShape(std::span<const uint8_t> bytes) {
    std::vector<int64_t> shape;
    for (MessageReader sides(bytes); sides.Next();) {
      if (sides.field() != 1) continue;
      int64_t side = -1;
      for (MessageReader dimension(sides.Bytes()); dimension.Next();)
        if (dimension.field() == 1 && dimension.Number() > 0) side = dimension.Number();
      shape.push_back(side);
    }
    return shape;
  }

  OnnxSummary Take() {
    // Older exporters list the stored weights among the inputs.
    std::erase_if(summary_.inputs,
                  [&](const OnnxValue& input) { return initializers_.count(input.name) > 0; });
    if (summary_.inputs.empty()) Fail("{}: the network has no input", file_);
    if (summary_.outputs.empty()) Fail("{}: the network has no output", file_);
    return std::move(summary_);
  }

  static constexpr int kMaxDepth = 16;  // of If and Loop inside each other

  const std::string& file_;
  OnnxSummary summary_;
  std::set<std::string> initializers_;
  bool in_graph_ = false;
};

}  // namespace

OnnxSummary ReadOnnxSummary(std::span<const uint8_t> bytes, const std::string& name) {
  return SummaryReader(name).Read(bytes);
}

std::string OnnxShapeText(std::span<const int64_t> shape) {
  std::vector<std::string> sides;
  for (const int64_t side : shape) sides.push_back(side < 0 ? "?" : std::to_string(side));
  return fmt::format("[{}]", fmt::join(sides, ", "));
}

}  // namespace i2crc
