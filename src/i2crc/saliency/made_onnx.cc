// SPDX-License-Identifier: Apache-2.0
#include "i2crc/saliency/made_onnx.h"

namespace i2crc::testing {
namespace {

std::string Varint(uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes += static_cast<char>(value | 0x80);
  return bytes + static_cast<char>(value);
}

}  // namespace

ProtoMessage& ProtoMessage::Number(int field, uint64_t value) {
  bytes_ += Varint(static_cast<uint64_t>(field) << 3) + Varint(value);
  return *this;
}

ProtoMessage& ProtoMessage::Bytes(int field, const std::string& bytes) {
  bytes_ += Varint(static_cast<uint64_t>(field) << 3 | 2) + Varint(bytes.size()) + bytes;
  return *this;
}

ProtoMessage& ProtoMessage::Float(int field, float value) {
  bytes_ += Varint(static_cast<uint64_t>(field) << 3 | 5) + RawValues(std::vector<float>{value});
  return *this;
}

std::string OnnxTensor(const std::string& name, const std::vector<int64_t>& dims,
                       const std::vector<float>& values) {
  ProtoMessage tensor;
  for (const int64_t side : dims) tensor.Number(1, static_cast<uint64_t>(side));
  return tensor.Number(2, 1).Bytes(8, name).Bytes(9, RawValues(values)).bytes();
}

std::string OnnxValueInfo(const std::string& name, const std::vector<int64_t>& shape,
                          int element_type) {
  ProtoMessage sides;
  for (const int64_t side : shape) {
    ProtoMessage dimension;
    if (side < 0) {
      dimension.Bytes(2, "open");
    } else {
      dimension.Number(1, static_cast<uint64_t>(side));
    }
    sides.Bytes(1, dimension.bytes());
  }
  ProtoMessage tensor;
  tensor.Number(1, static_cast<uint64_t>(element_type)).Bytes(2, sides.bytes());
  return ProtoMessage()
      .Bytes(1, name)
      .Bytes(2, ProtoMessage().Bytes(1, tensor.bytes()).bytes())
      .bytes();
}

std::string OnnxNode(const std::string& op, const std::vector<std::string>& inputs,
                     const std::string& output, const std::vector<std::string>& attributes) {
  ProtoMessage node;
  for (const std::string& input : inputs) node.Bytes(1, input);
  node.Bytes(2, output).Bytes(3, "node_" + output).Bytes(4, op);
  for (const std::string& attribute : attributes) node.Bytes(5, attribute);
  return node.bytes();
}

std::string OnnxInts(const std::string& name, const std::vector<int64_t>& values) {
  ProtoMessage attribute;
  attribute.Bytes(1, name);
  for (const int64_t value : values) attribute.Number(8, static_cast<uint64_t>(value));
  return attribute.Number(20, 7).bytes();
}

std::string OnnxInt(const std::string& name, int64_t value) {
  return ProtoMessage()
      .Bytes(1, name)
      .Number(3, static_cast<uint64_t>(value))
      .Number(20, 2)
      .bytes();
}

std::string OnnxTensorValue(const std::string& tensor) {
  return ProtoMessage().Bytes(1, "value").Bytes(5, tensor).Number(20, 4).bytes();
}

std::string OnnxModel(const OnnxParts& parts) {
  ProtoMessage graph;
  for (const std::string& node : parts.nodes) graph.Bytes(1, node);
  graph.Bytes(2, "made");
  for (const std::string& tensor : parts.initializers) graph.Bytes(5, tensor);
  for (const std::string& value : parts.inputs) graph.Bytes(11, value);
  for (const std::string& value : parts.outputs) graph.Bytes(12, value);
  return ProtoMessage()
      .Number(1, 6)  // ir_version
      .Bytes(2, "tests")
      .Bytes(7, graph.bytes())
      .Bytes(8, ProtoMessage().Bytes(1, "").Number(2, 11).bytes())  // opset 11
      .bytes();
}

std::string RedDetector(const std::vector<int64_t>& shape, float bias) {
  OnnxParts parts;
  parts.nodes = {
      OnnxNode("Conv", {"image", "weight", "bias"}, "map", {OnnxInts("kernel_shape", {1, 1})})};
  parts.initializers = {OnnxTensor("weight", {1, 3, 1, 1}, {1, 0, 0}),
                        OnnxTensor("bias", {1}, {bias})};
  parts.inputs = {OnnxValueInfo("image", shape)};
  parts.outputs = {OnnxValueInfo("map", {-1, 1, -1, -1})};
  return OnnxModel(parts);
}

std::string DetectorWithWeight(const std::string& weight) {
  OnnxParts parts;
  parts.nodes = {OnnxNode("Conv", {"image", "weight"}, "map", {OnnxInts("kernel_shape", {1, 1})})};
  parts.initializers = {weight};
  parts.inputs = {OnnxValueInfo("image", {1, 3, 8, 8})};
  parts.outputs = {OnnxValueInfo("map", {1, 1, 8, 8})};
  return OnnxModel(parts);
}

std::string TinyClassifier(int classes) {
  const auto count = static_cast<size_t>(classes);
  OnnxParts parts;
  parts.nodes = {
      OnnxNode("Conv", {"image", "weight"}, "scores", {OnnxInts("kernel_shape", {1, 1})}),
      OnnxNode("GlobalAveragePool", {"scores"}, "pooled"),
      OnnxNode("Flatten", {"pooled"}, "logits", {OnnxInt("axis", 1)})};
  parts.initializers = {
      OnnxTensor("weight", {classes, 3, 1, 1}, std::vector<float>(3 * count, 0.5f))};
  parts.inputs = {OnnxValueInfo("image", {1, 3, 8, 8})};
  parts.outputs = {OnnxValueInfo("logits", {1, classes})};
  return OnnxModel(parts);
}

}  // namespace i2crc::testing
