// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "i2crc/core/error.h"
#include "i2crc/saliency/detector.h"
#include "i2crc/saliency/onnx_summary.h"

namespace {

// Networks for larger photographs are left alone, since running them only takes time.
bool IsSmall(const i2crc::OnnxSummary& summary) {
  const auto& shape = summary.inputs[0].shape;
  return std::all_of(shape.begin(), shape.end(), [](int64_t side) { return side <= 32; });
}

}  // namespace

// The check, and OpenCV's importer and one run on what the check lets through: a detector is made
// or refused with an Error, whatever the file.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  try {
    const i2crc::CheckedOnnx checked(bytes, "fuzz");
    if (checked.summary().inputs.empty() || checked.summary().outputs.empty()) std::abort();
    // What OpenCV is given says what was checked, and only that.
    const std::string model = checked.Model();
    if (i2crc::CheckedOnnx(model, "fuzz").Model() != model) std::abort();
    if (IsSmall(checked.summary()))
      i2crc::SaliencyDetector({.model = "fuzz", .input_size = 8, .threads = 1}, std::string(bytes));
  } catch (const i2crc::Error&) {
  }
  return 0;
}
