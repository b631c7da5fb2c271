// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

// ONNX files for tests, written field by field as protobuf does it, without its library.
namespace i2crc::testing {

// The fields of one protobuf message.
class ProtoMessage {
 public:
  ProtoMessage& Number(int field, uint64_t value);
  ProtoMessage& Bytes(int field, const std::string& bytes);
  ProtoMessage& Float(int field, float value);
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

// The bytes of values, as raw data of a tensor.
template <typename T>
std::string RawValues(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

// TensorProto of floats.
std::string OnnxTensor(const std::string& name, const std::vector<int64_t>& dims,
                       const std::vector<float>& values);
// ValueInfoProto; -1: an open side.
std::string OnnxValueInfo(const std::string& name, const std::vector<int64_t>& shape,
                          int element_type = 1);
std::string OnnxNode(const std::string& op, const std::vector<std::string>& inputs,
                     const std::string& output, const std::vector<std::string>& attributes = {});
std::string OnnxInts(const std::string& name, const std::vector<int64_t>& values);
std::string OnnxInt(const std::string& name, int64_t value);
// Attribute "value" with a TensorProto.
std::string OnnxTensorValue(const std::string& tensor);

struct OnnxParts {
  std::vector<std::string> nodes, initializers, inputs, outputs;
};
std::string OnnxModel(const OnnxParts& parts);

// A detector without knowledge: one output "map" [1, 1, height, width], the red plane (as given to
// the network) plus `bias`. shape: of its input "image".
std::string RedDetector(const std::vector<int64_t>& shape, float bias = 0);
// A detector of one Conv, [1, 3, 8, 8] to [1, 1, 8, 8], with this TensorProto, named "weight".
std::string DetectorWithWeight(const std::string& weight);
// A network that ends in `classes` scores, [1, classes]; its input is [1, 3, 8, 8].
std::string TinyClassifier(int classes);

}  // namespace i2crc::testing
