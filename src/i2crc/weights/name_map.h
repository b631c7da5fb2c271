// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>

#include "i2crc/weights/tensor.h"

namespace i2crc {

// Takes the prefix off every name that begins with it ("module.", which torch.nn.DataParallel puts
// in front) and keeps the order. Returns how many names changed. Throws Error where two names
// become the same.
size_t StripPrefix(TensorMap& tensors, const std::string& prefix);

}  // namespace i2crc
