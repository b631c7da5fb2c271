// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>

#include "i2crc/core/error.h"
#include "i2crc/weights/tensor_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const i2crc::TensorMap tensors = i2crc::ParseTorchLegacy({data, size}, "fuzz");
    // Every value is touched, so that a tensor without its bytes is noticed.
    for (const auto& [name, tensor] : tensors.items()) tensor.ToF32();
  } catch (const i2crc::Error&) {
  }
  return 0;
}
