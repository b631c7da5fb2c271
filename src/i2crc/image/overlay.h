// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "i2crc/core/image.h"
#include "i2crc/image/palette.h"

namespace i2crc {

// The photograph with the mask's colours laid over it at the given opacity (0…1), object borders
// drawn solid, background left as it is. Sizes must be equal (ENSURE).
ImageU8 Overlay(const ImageU8& rgb, const ImageU8& mask, const Palette& palette,
                float opacity = 0.5F);

}  // namespace i2crc
