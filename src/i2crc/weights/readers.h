// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "i2crc/weights/tensor.h"

namespace i2crc {

// With kHeaders the tensors' values are neither read nor copied, but every size is checked as with
// kAll.
enum class ReadWhat { kAll, kHeaders };

TensorMap ReadSafetensors(std::span<const uint8_t> bytes, const std::string& name, ReadWhat what);
TensorMap ReadTorchZip(std::span<const uint8_t> bytes, const std::string& name, ReadWhat what);
TensorMap ReadTorchLegacy(std::span<const uint8_t> bytes, const std::string& name, ReadWhat what);

}  // namespace i2crc
