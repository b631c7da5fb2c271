// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "i2crc/weights/tensor.h"

namespace i2crc {

// Takes the "module." that torch.nn.DataParallel puts in front of names off every name that begins
// with it and keeps the order. Throws Error "FILE: …" where two names become the same.
void StripModulePrefix(TensorMap& tensors, const std::string& file);

}  // namespace i2crc
