// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>

#include "i2crc/data/class_names.h"
#include "i2crc/nn/network.h"

namespace i2crc {

// What a training can begin with instead of chance.

// Throws Error where weights (a file, or empty) do not fit the backbone of a network.
void CheckBackbone(const NetworkSpec& spec, const std::filesystem::path& weights);

// The architecture that ImageNet weights are of: vgg16, resnet18, resnet50 or resnet101. Throws
// Error "FILE: …" where they are of none of them.
std::string BackboneOf(const std::filesystem::path& weights);

// Fills a network from another checkpoint: all of it from a network's of the same kind, classes and
// architecture (but for the stride of an attention network), the backbone of a segmentation network
// from an attention network's. Throws Error "FILE: …" where it does not fit.
void StartFrom(Network& network, const std::filesystem::path& checkpoint,
               const ClassNames& classes);

}  // namespace i2crc
