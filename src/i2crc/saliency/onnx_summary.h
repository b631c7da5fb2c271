// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
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

namespace onnx {
class ModelProto;
}

// An ONNX file of which everything was checked that OpenCV's importer trusts: each stored tensor is
// of a known type and has, in the one field of its type or as raw data, as many values as its shape
// says; 8-bit tensors go to operators that read bytes; attributes have one value; nodes read what
// is made before them. OpenCV must be given Model(), never the file, which can say things twice, or
// in fields that we do not know.
class CheckedOnnx {
 public:
  // Throws Error "name: cause" where the file is no ONNX, cut short, damaged, without inputs or
  // outputs, or keeps its weights in other files.
  CheckedOnnx(std::string_view file_bytes, const std::string& name);
  ~CheckedOnnx();

  const OnnxSummary& summary() const { return summary_; }
  // Says what shape the first input has. OpenCV computes shapes while it loads a network, and
  // divides by sides that are left open.
  void SetInputShape(std::span<const int64_t> shape);
  // What was checked and nothing else, as an ONNX file.
  std::string Model() const;

 private:
  std::string name_;
  std::unique_ptr<onnx::ModelProto> model_;
  OnnxSummary summary_;
};

// "[1, 3, 320, ?]"
std::string OnnxShapeText(std::span<const int64_t> shape);

}  // namespace i2crc
