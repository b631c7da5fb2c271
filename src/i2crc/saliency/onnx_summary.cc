// SPDX-License-Identifier: Apache-2.0
#include "i2crc/saliency/onnx_summary.h"

#include <fmt/ranges.h>
#include <google/protobuf/io/coded_stream.h>

#include <algorithm>
#include <array>
#include <limits>
#include <map>
#include <optional>
#include <set>

#include "i2crc/core/error.h"
#include "i2crc/options/quote.h"
#include "i2crc_onnx.pb.h"

namespace i2crc {
namespace {

// How TensorProto stores the values of a type.
struct StoredType {
  uint64_t bytes;                                // of a value in raw_data
  int (onnx::TensorProto::*field_size)() const;  // values in the field for the type
};

// By TensorProto.DataType; nothing for texts, complex numbers and what is unknown.
std::optional<StoredType> FindStoredType(int type) {
  using Tensor = onnx::TensorProto;
  switch (type) {
    case 1:  // float
      return StoredType{4, &Tensor::float_data_size};
    case 2:  // uint8
    case 3:  // int8
    case 9:  // bool
      return StoredType{1, &Tensor::int32_data_size};
    case 4:   // uint16
    case 5:   // int16
    case 10:  // float16
    case 16:  // bfloat16
      return StoredType{2, &Tensor::int32_data_size};
    case 6:  // int32
      return StoredType{4, &Tensor::int32_data_size};
    case 7:  // int64
      return StoredType{8, &Tensor::int64_data_size};
    case 11:  // double
      return StoredType{8, &Tensor::double_data_size};
    case 12:  // uint32
      return StoredType{4, &Tensor::uint64_data_size};
    case 13:  // uint64
      return StoredType{8, &Tensor::uint64_data_size};
    default:
      return std::nullopt;
  }
}

// Whether the values are bytes: OpenCV keeps them so, where it makes 32-bit values of all others.
bool HasBytes(const onnx::TensorProto& tensor) {
  const auto type = FindStoredType(tensor.data_type());
  return type && type->bytes == 1;
}

bool IsEmpty(const onnx::TensorProto& tensor) {
  return std::find(tensor.dims().begin(), tensor.dims().end(), 0) != tensor.dims().end();
}

// Operators that look at the type of what they read. All others take tensors for 32-bit values, and
// would read past the end of bytes.
bool ReadsBytes(std::string_view op) {
  return op == "Cast" || op == "Where" || op == "QuantizeLinear" || op == "DequantizeLinear" ||
         op.starts_with("QLinear") || op.ends_with("Integer");
}

// Whether a Cast makes values of less than 32 bits.
bool CastsToNarrow(const onnx::NodeProto& node) {
  return node.op_type() == "Cast" &&
         std::any_of(node.attribute().begin(), node.attribute().end(), [](const auto& attribute) {
           if (attribute.name() != "to") return false;
           const auto type = attribute.i() == static_cast<int>(attribute.i())
                                 ? FindStoredType(static_cast<int>(attribute.i()))
                                 : std::nullopt;
           return type && type->bytes < 4;
         });
}

// Whether an operator does without this input: it is left out, or a tensor of no elements. OpenCV
// reads or divides by the first element elsewhere.
bool DoesWithout(std::string_view op, int input) {
  constexpr std::array<std::string_view, 8> kOptional = {"Resize",  "Upsample", "Clip", "Pad",
                                                         "Dropout", "LSTM",     "GRU",  "RNN"};
  return input > 0 && std::find(kOptional.begin(), kOptional.end(), op) != kOptional.end();
}

// Whether a node has too few or too many inputs for an operator of which OpenCV does not check
// that.
bool MiscountsInputs(const onnx::NodeProto& node) {
  const std::string& op = node.op_type();
  const auto is_scale = [](const auto& attribute) {
    return attribute.name() == "scales" || attribute.name() == "height_scale";
  };
  const bool has_scale = std::any_of(node.attribute().begin(), node.attribute().end(), is_scale);
  if (op == "MatMul") return node.input_size() != 2;
  return node.input_size() < 2 &&
         (op == "Pow" || op == "CumSum" || (op == "Upsample" && !has_scale));
}

// Layers, which OpenCV makes without a look at whether anything but constants comes in.
bool IsLayer(std::string_view op) {
  constexpr std::array<std::string_view, 6> kOthers = {"Conv", "ConvTranspose", "CumSum",
                                                       "LRN",  "Resize",        "Upsample"};
  return op.starts_with("Arg") || op.starts_with("Reduce") || op.ends_with("Pool") ||
         op.ends_with("Normalization") ||
         std::find(kOthers.begin(), kOthers.end(), op) != kOthers.end();
}

// Whether OpenCV, which counts sides without a look at how many there are, can take an axis.
bool IsAxis(int64_t axis, std::string_view op) {
  constexpr int64_t kMostSides = 8;
  return axis >= (op == "Gather" ? 0 : -kMostSides) && axis < kMostSides;
}

// Elements of a shape that a file can hold; nothing where it is negative or beyond 2^31 − 1.
template <typename Sides>
std::optional<uint64_t> Elements(const Sides& shape) {
  constexpr int64_t kMost = std::numeric_limits<int32_t>::max();
  int64_t elements = 1;
  for (const int64_t side : shape) {
    if (side < 0 || side > kMost) return std::nullopt;
    elements *= side;
    if (elements > kMost) return std::nullopt;
  }
  return static_cast<uint64_t>(elements);
}

std::string Label(const onnx::TensorProto& tensor) {
  return tensor.name().empty() ? "a stored tensor" : "tensor " + Quoted(tensor.name());
}

std::string Label(const onnx::NodeProto& node) {
  return fmt::format("node {} ({})", Quoted(node.name()), Quoted(node.op_type()));
}

class Checker {
 public:
  explicit Checker(const std::string& file) : file_(file) {}

  void CheckGraph(const onnx::GraphProto& graph) {
    for (const auto& tensor : graph.initializer()) {
      CheckTensor(tensor);
      values_.emplace(tensor.name(), Stored(tensor));
    }
    for (const auto& input : graph.input()) values_.emplace(input.name(), Value{});
    for (const auto& node : graph.node()) CheckNode(node);
  }

 private:
  // What is known of a value before the network runs.
  struct Value {
    bool is_constant = false;  // OpenCV computes it when it loads the network
    bool is_bytes = false;
    bool is_empty = false;
    int sides = -1;  // -1: not known
    int64_t elements = -1;
  };

  // A tensor without sides, one value, has one in OpenCV.
  static Value Stored(const onnx::TensorProto& tensor) {
    return {true, HasBytes(tensor), IsEmpty(tensor), std::max(1, tensor.dims_size()),
            static_cast<int64_t>(Elements(tensor.dims()).value_or(0))};
  }

  void CheckNode(const onnx::NodeProto& node) {
    const bool is_source = node.op_type() == "Constant";
    if (node.op_type().empty() || node.output().empty() || node.input().empty() != is_source ||
        MiscountsInputs(node))
      Fail("{}: {} has no operator, or not the inputs and outputs of one: damaged ONNX file", file_,
           Label(node));
    for (const auto& attribute : node.attribute()) CheckAttribute(attribute, node);
    const Value made = ValueOf(node);
    for (const std::string& output : node.output())
      if (!output.empty() && !values_.emplace(output, made).second)
        Fail("{}: {} makes {}, which is there already: damaged ONNX file", file_, Label(node),
             Quoted(output));
  }

  Value ValueOf(const onnx::NodeProto& node) const {
    const Value read = ReadBy(node);
    if (read.is_bytes && !ReadsBytes(node.op_type()))
      Fail("{}: {} reads a tensor of 8-bit values, which it cannot: damaged ONNX file", file_,
           Label(node));
    if (node.op_type().ends_with("Normalization")) CheckChannels(node);
    if (read.is_constant && IsLayer(node.op_type()))
      Fail("{}: {} sees constants alone: damaged ONNX file", file_, Label(node));
    Value made{read.is_constant || node.op_type() == "Shape"};
    if (node.op_type() == "Shape") made.sides = 1;
    for (const auto& attribute : node.attribute()) {
      if (attribute.name() == "axis" && read.sides >= 0 && attribute.i() >= read.sides)
        FailAxis(node);
      if (!attribute.has_t()) continue;
      const Value stored = Stored(attribute.t());
      made.is_bytes |= stored.is_bytes;
      if (node.op_type() == "Constant")
        made = stored;
      else if (stored.is_empty)
        Fail("{}: {} has a tensor without values: damaged ONNX file", file_, Label(node));
    }
    if (made.is_constant)
      made.is_bytes |= node.op_type() == "Cast" ? CastsToNarrow(node) : read.is_bytes;
    return made;
  }

  // What a normalisation has for each channel, of which OpenCV looks at one alone to see how many
  // channels there are.
  void CheckChannels(const onnx::NodeProto& node) const {
    for (int i = 1; i < node.input_size(); ++i) {
      const int64_t channels = values_.at(node.input(i)).elements;
      if (channels < 0 || channels != values_.at(node.input(1)).elements)
        Fail("{}: {} has not the same number of stored values in each input: damaged ONNX file",
             file_, Label(node));
    }
  }

  // What is so of all inputs, bytes of one, sides of the first.
  Value ReadBy(const onnx::NodeProto& node) const {
    Value read{true};
    for (int i = 0; i < node.input_size(); ++i) {
      const std::string& name = node.input(i);
      const auto value = values_.find(name);
      if (!name.empty() && value == values_.end())
        Fail("{}: {} reads {}, which nothing makes before: damaged ONNX file", file_, Label(node),
             Quoted(name));
      const bool is_missing = name.empty() || value->second.is_empty;
      const bool is_missed =
          is_missing ? !DoesWithout(node.op_type(), i)
                     : node.op_type() == "CumSum" && i == 1 && !value->second.is_constant;
      if (is_missed)
        Fail("{}: {} has nothing for its input {}: damaged ONNX file", file_, Label(node), i + 1);
      if (is_missing) continue;
      if (i == 0 && (node.op_type() == "Gather" || node.op_type() == "Concat"))
        read.sides = value->second.sides;
      read.is_constant &= value->second.is_constant;
      read.is_bytes |= value->second.is_bytes;
    }
    return read;
  }

  void CheckAttribute(const onnx::AttributeProto& attribute, const onnx::NodeProto& node) {
    const int kinds = attribute.has_f() + attribute.has_i() + attribute.has_s() +
                      attribute.has_t() + attribute.has_g() + !attribute.floats().empty() +
                      !attribute.ints().empty() + !attribute.strings().empty() +
                      !attribute.tensors().empty() + !attribute.graphs().empty();
    if (kinds > 1)
      Fail("{}: attribute {} of {} has values of several types: damaged ONNX file", file_,
           Quoted(attribute.name()), Label(node));
    if (attribute.has_g() || !attribute.graphs().empty())
      Fail("{}: {} has a network inside, which OpenCV does not run; export without If and Loop",
           file_, Label(node));
    CheckNumbers(attribute, node);
    if (attribute.has_t()) CheckTensor(attribute.t());
    for (const auto& tensor : attribute.tensors()) CheckTensor(tensor);
  }

  void CheckNumbers(const onnx::AttributeProto& attribute, const onnx::NodeProto& node) const {
    const std::string& name = attribute.name();
    const auto all = [&](auto&& fits) {
      return fits(attribute.i()) &&
             std::all_of(attribute.ints().begin(), attribute.ints().end(), fits);
    };
    if ((name == "axis" || name == "axes") &&
        !all([&](int64_t axis) { return IsAxis(axis, node.op_type()); }))
      FailAxis(node);
    constexpr int64_t kMostPixels = 1 << 15;
    const bool is_extent = name == "kernel_shape" || name == "strides" || name == "dilations" ||
                           name == "pads" || name == "output_padding" || name == "output_shape";
    if (is_extent && !all([](int64_t i) { return -kMostPixels <= i && i <= kMostPixels; }))
      Fail("{}: {} of {} are beyond all photographs: damaged ONNX file", file_, name, Label(node));
  }

  [[noreturn]] void FailAxis(const onnx::NodeProto& node) const {
    Fail("{}: {} has an axis that OpenCV cannot take: damaged ONNX file", file_, Label(node));
  }

  void CheckTensor(const onnx::TensorProto& tensor) {
    if (!tensor.external_data().empty() || tensor.data_location() != 0)
      Fail("{}: {} stands in another file; save the network as one file", file_, Label(tensor));
    const auto type = FindStoredType(tensor.data_type());
    if (!type)
      Fail("{}: {} is of ONNX type {}, not of numbers; export the network with 32-bit floats",
           file_, Label(tensor), tensor.data_type());
    const int numbers = (tensor.*type->field_size)();
    const int all_numbers = tensor.float_data_size() + tensor.int32_data_size() +
                            tensor.int64_data_size() + tensor.double_data_size() +
                            tensor.uint64_data_size() + tensor.string_data_size();
    const std::string& raw = tensor.raw_data();
    if (numbers != all_numbers || (numbers > 0 && !raw.empty()))
      Fail("{}: {} has values in fields of several types: damaged ONNX file", file_, Label(tensor));
    const auto elements = Elements(tensor.dims());
    const bool has_all = elements && (raw.empty() ? static_cast<uint64_t>(numbers) == *elements
                                                  : raw.size() == *elements * type->bytes);
    if (!has_all)
      Fail("{}: {} of shape {} has too few or too many values: damaged ONNX file", file_,
           Label(tensor),
           OnnxShapeText({tensor.dims().data(), static_cast<size_t>(tensor.dims_size())}));
  }

  const std::string& file_;
  std::map<std::string, Value> values_;
};

onnx::ModelProto Parse(std::string_view bytes, const std::string& file) {
  // Messages inside each other: an ONNX file without networks in networks needs 6.
  constexpr int kDeepest = 16;
  if (bytes.empty()) Fail("{}: the file is empty", file);
  if (bytes.size() > std::numeric_limits<int32_t>::max())
    Fail("{}: 2 GiB or more, which no ONNX file has", file);
  google::protobuf::io::CodedInputStream input(reinterpret_cast<const uint8_t*>(bytes.data()),
                                               static_cast<int>(bytes.size()));
  input.SetRecursionLimit(kDeepest);
  onnx::ModelProto model;
  const bool is_whole = model.ParsePartialFromCodedStream(&input) && input.ConsumedEntireMessage();
  // A version where it stands in ONNX: no other format begins so.
  if (model.ir_version() <= 0) Fail("{}: not an ONNX file", file);
  if (!is_whole) Fail("{}: ONNX file is cut short or damaged", file);
  if (!model.has_graph()) Fail("{}: ONNX file without a network", file);
  model.DiscardUnknownFields();
  return model;
}

template <typename Infos>
std::vector<OnnxValue> Values(const Infos& infos) {
  std::vector<OnnxValue> values;
  for (const onnx::ValueInfoProto& info : infos) {
    const auto& tensor = info.type().tensor_type();
    OnnxValue& value = values.emplace_back();
    value.name = info.name();
    value.element_type = tensor.elem_type();
    for (const auto& dimension : tensor.shape().dim())
      value.shape.push_back(dimension.dim_value() > 0 ? dimension.dim_value() : -1);
  }
  return values;
}

OnnxSummary Summary(const onnx::GraphProto& graph, const std::string& file) {
  OnnxSummary summary{Values(graph.input()), Values(graph.output())};
  std::set<std::string> stored;
  for (const auto& tensor : graph.initializer()) stored.insert(tensor.name());
  // Older exporters list the stored weights among the inputs.
  std::erase_if(summary.inputs,
                [&](const OnnxValue& input) { return stored.count(input.name) > 0; });
  if (summary.inputs.empty()) Fail("{}: the network has no input", file);
  if (summary.outputs.empty()) Fail("{}: the network has no output", file);
  return summary;
}

}  // namespace

CheckedOnnx::CheckedOnnx(std::string_view file_bytes, const std::string& name)
    : name_(name), model_(std::make_unique<onnx::ModelProto>(Parse(file_bytes, name))) {
  summary_ = Summary(model_->graph(), name);
  Checker(name).CheckGraph(model_->graph());
}

CheckedOnnx::~CheckedOnnx() = default;

void CheckedOnnx::SetInputShape(std::span<const int64_t> shape) {
  OnnxValue& input = summary_.inputs[0];
  input.shape.assign(shape.begin(), shape.end());
  for (auto& info : *model_->mutable_graph()->mutable_input()) {
    if (info.name() != input.name) continue;
    auto& sides = *info.mutable_type()->mutable_tensor_type()->mutable_shape();
    sides.clear_dim();
    for (const int64_t side : shape) sides.add_dim()->set_dim_value(side);
  }
}

std::string CheckedOnnx::Model() const {
  std::string bytes;
  if (!model_->SerializeToString(&bytes)) Fail("{}: 2 GiB or more, which no ONNX file has", name_);
  return bytes;
}

std::string OnnxShapeText(std::span<const int64_t> shape) {
  std::vector<std::string> sides;
  for (const int64_t side : shape) sides.push_back(side < 0 ? "?" : std::to_string(side));
  return fmt::format("[{}]", fmt::join(sides, ", "));
}

}  // namespace i2crc
