// SPDX-License-Identifier: Apache-2.0
#include "i2crc/image/palette.h"

#include <cstddef>

namespace i2crc {
namespace {

constexpr Palette MakeVocPalette() {
  Palette palette{};
  for (size_t index = 0; index < palette.size(); ++index)
    // Bits 0, 3, 6 of the index become R's bits from the top, 1, 4, 7 G's, 2, 5 B's.
    for (size_t bit = 0; bit < 8; ++bit)
      if ((index >> bit & 1U) != 0) {
        uint8_t& channel = palette[index][bit % 3];
        channel = static_cast<uint8_t>(channel | (0x80U >> (bit / 3)));
      }
  return palette;
}

}  // namespace

const Palette& VocPalette() {
  static constexpr Palette palette = MakeVocPalette();
  return palette;
}

}  // namespace i2crc
