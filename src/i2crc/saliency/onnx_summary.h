// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace i2crc {

// An input or output of a network as its ONNX file declares it.
struct OnnxValue {
  std::string name;
  int element_type = 0;        // ONNX's TensorProto.DataType; 1 is float, 0 not declared
  std::vector<int64_t> shape;  // -1 where a side is open; empty where not declared
};

struct OnnxSummary {
  std::vector<OnnxValue> inputs;  // what must be fed: values stored in the file are left out
  std::vector<OnnxValue> outputs;
};

// OnnxValue::element_type of 32-bit floats.
inline constexpr int kOnnxFloat = 1;

// Reads what an ONNX file (a protobuf ModelProto of onnx/onnx.proto) says about itself; the network
// is not built. Every length is checked on the way, and that each stored tensor has as many values
// as its shape says: OpenCV's importer, which reads the file after this, trusts both. Throws Error
// "name: cause" where the file is no ONNX, cut short, damaged, without inputs or outputs, or keeps
// its weights in other files.
OnnxSummary ReadOnnxSummary(std::span<const uint8_t> bytes, const std::string& name);

// "[1, 3, 320, ?]"
std::string OnnxShapeText(std::span<const int64_t> shape);

}  // namespace i2crc
