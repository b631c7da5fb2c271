// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "i2crc/weights/tensor.h"

namespace i2crc {

// What `i2crc weights inspect` prints: the metadata, a line for each tensor with its name, dtype
// and shape, and the number of tensors, parameters and bytes. The values themselves may be absent
// (ReadTensorHeaders).
std::string InspectText(const TensorMap& tensors);

}  // namespace i2crc
