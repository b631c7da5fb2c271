// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "i2crc/nn/network.h"

namespace i2crc {

// ALGORITHM.md, stage 1: VGG16 with three extra convolutions (stride 8), or a ResNet whose layer4
// has no stride (stride 16) with a 1×1 `head`. ResNets at stride 32, and at stride 16
// with a dilation in its place, are ours.
std::unique_ptr<Network> MakeAttentionNetwork(const NetworkSpec& spec);

}  // namespace i2crc
