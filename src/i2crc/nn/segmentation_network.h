// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "i2crc/nn/network.h"

namespace i2crc {

// ALGORITHM.md, stage 4: DeepLab v2 on a ResNet or LargeFOV on VGG16, with the multi-scale wrapper
// where the spec asks for it.
std::unique_ptr<Network> MakeSegmentationNetwork(const NetworkSpec& spec);

}  // namespace i2crc
