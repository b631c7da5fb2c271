// SPDX-License-Identifier: Apache-2.0
// For tests of the labels.
#pragma once

#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include "i2crc/core/image.h"

namespace i2crc {

// A map of one row.
inline ImageU8 Row(std::vector<uint8_t> values) {
  ImageU8 image(1, static_cast<int>(values.size()), 1);
  image.values() = std::move(values);
  return image;
}

inline constexpr std::array<int, 1> kDog = {3};
inline constexpr std::array<int, 2> kCatAndDog = {1, 3};

}  // namespace i2crc
