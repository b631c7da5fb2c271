// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace i2crc {

// The networks of the method by their names (nn/network.h makes them).

// vgg16, resnet18, resnet50, resnet101 (stride 16, the paper's), resnet18-stride32 and so on
// (torchvision's strides: coarser maps, and features just as ImageNet made them), resnet18-stride16
// and so on (layer4 dilated: nearly the same features, at twice as many places a side).
const std::vector<std::string>& AttentionArchs();
// deeplab-resnet18, -resnet50, -resnet101 (v2, the paper's), deeplabplus-resnet18, -resnet50,
// -resnet101, largefov-vgg16.
const std::vector<std::string>& SegmentationArchs();

bool IsAttentionArch(const std::string& arch);
bool IsSegmentationArch(const std::string& arch);
// Without "-stride16" or "-stride32": the stride of an attention network changes neither names nor
// shapes.
std::string WithoutStride(const std::string& arch);

}  // namespace i2crc
