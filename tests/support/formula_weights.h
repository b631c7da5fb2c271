// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "i2crc/weights/tensor.h"

namespace i2crc::testing {

// The weights that the network goldens were made with: tensor number k of a state dict, a function
// of its name, shape and number alone. num_batches_tracked is 0.
Tensor FormulaTensor(const std::string& name, const std::vector<int64_t>& shape, int64_t k);

}  // namespace i2crc::testing
