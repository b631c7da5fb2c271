// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "i2crc/core/error.h"
#include "i2crc/saliency/onnx_summary.h"

// OpenCV's importer reads the file after our look at it; what is fuzzed is the look.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const i2crc::OnnxSummary summary = i2crc::ReadOnnxSummary({data, size}, "fuzz");
    if (summary.inputs.empty() || summary.outputs.empty()) std::abort();
    for (const auto& value : summary.inputs) i2crc::OnnxShapeText(value.shape);
  } catch (const i2crc::Error&) {
  }
  return 0;
}
