// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <span>
#include <string>

namespace i2crc {

// How a detector wants its photographs: RGB divided to 0…1, minus mean, over standard deviation.
struct DetectorPreset {
  const char* name;
  bool divide_by_maximum;  // by the resized photograph's own largest value; else by 255
  std::array<double, 3> mean;
  std::array<double, 3> standard_deviation;
  int side;  // of the input where the model leaves it open; 0: must be said
};

// "u2net": U²-Net and its kin, as their authors' test program has it. "plain": ImageNet's mean and
// standard deviation on RGB / 255, what most networks trained with torchvision's tools want.
std::span<const DetectorPreset> DetectorPresets();
// Throws Error naming the presets there are.
const DetectorPreset& FindDetectorPreset(const std::string& name);

}  // namespace i2crc
