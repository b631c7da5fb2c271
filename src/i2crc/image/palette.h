// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>

namespace i2crc {

using Palette = std::array<std::array<uint8_t, 3>, 256>;

// PASCAL VOC's colours: the bits of the index spread over R, G, B; 0 black, 255 cream.
const Palette& VocPalette();

}  // namespace i2crc
