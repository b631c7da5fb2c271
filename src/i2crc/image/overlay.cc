// SPDX-License-Identifier: Apache-2.0
#include "i2crc/image/overlay.h"

#include <cmath>
#include <cstdint>

namespace i2crc {
namespace {

// Whether one of the four neighbours has another label. The image's own edge is no border.
bool OnBorder(const ImageU8& mask, int y, int x) {
  const uint8_t label = mask.at(y, x);
  return (y > 0 && mask.at(y - 1, x) != label) || (x > 0 && mask.at(y, x - 1) != label) ||
         (y + 1 < mask.height() && mask.at(y + 1, x) != label) ||
         (x + 1 < mask.width() && mask.at(y, x + 1) != label);
}

}  // namespace

ImageU8 Overlay(const ImageU8& rgb, const ImageU8& mask, const Palette& palette, float opacity) {
  ENSURE(rgb.channels() == 3 && mask.channels() == 1 && rgb.SameSize(mask),
         "overlay of {}x{}x{} on {}x{}x{}", mask.height(), mask.width(), mask.channels(),
         rgb.height(), rgb.width(), rgb.channels());
  ENSURE(opacity >= 0.0F && opacity <= 1.0F, "opacity {}", opacity);
  ImageU8 out = rgb;
  for (int y = 0; y < mask.height(); ++y)
    for (int x = 0; x < mask.width(); ++x) {
      const uint8_t label = mask.at(y, x);
      if (label == 0) continue;
      // Ignored pixels are themselves a band around objects: drawn solid they would hide the
      // borders.
      const bool solid = label != kIgnoreLabel && OnBorder(mask, y, x);
      const float weight = solid ? 1.0F : opacity;
      for (int c = 0; c < 3; ++c) {
        uint8_t& value = out.at(y, x, c);
        const float colour = palette[label][static_cast<size_t>(c)];
        value = static_cast<uint8_t>(
            std::lround(static_cast<float>(value) * (1.0F - weight) + colour * weight));
      }
    }
  return out;
}

}  // namespace i2crc
