// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "i2crc/core/image.h"

namespace i2crc {

// Colour jitter on RGB 8 bit with Pillow's arithmetic, as torchvision applies it (ALGORITHM.md,
// "Pillow's jitter"). factor ≥ 0, 1 leaves the image as it is; shift in −0.5…0.5 of the colour
// circle.
void AdjustBrightness(ImageU8& rgb, float factor);
void AdjustContrast(ImageU8& rgb, float factor);
void AdjustSaturation(ImageU8& rgb, float factor);
void AdjustHue(ImageU8& rgb, float shift);

}  // namespace i2crc
