// SPDX-License-Identifier: Apache-2.0
#include "i2crc/data/detector_presets.h"

#include <fmt/ranges.h>

#include <vector>

#include "i2crc/core/error.h"

namespace i2crc {
namespace {

constexpr std::array<double, 3> kImageNetMean = {0.485, 0.456, 0.406};
constexpr std::array<double, 3> kImageNetDeviation = {0.229, 0.224, 0.225};

constexpr std::array<DetectorPreset, 2> kPresets = {{
    {"u2net", true, kImageNetMean, kImageNetDeviation, 320},
    {"plain", false, kImageNetMean, kImageNetDeviation, 0},
}};

}  // namespace

std::span<const DetectorPreset> DetectorPresets() { return kPresets; }

const DetectorPreset& FindDetectorPreset(const std::string& name) {
  std::vector<std::string> names;
  for (const DetectorPreset& preset : kPresets) {
    if (preset.name == name) return preset;
    names.emplace_back(preset.name);
  }
  Fail("no preset '{}' of saliency detectors; there are {}", name, fmt::join(names, ", "));
}

}  // namespace i2crc
