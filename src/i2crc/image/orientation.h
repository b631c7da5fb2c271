// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>

#include "i2crc/core/image.h"

namespace i2crc::internal {

// EXIF's Orientation, 1…8, from an EXIF block (TIFF data, behind "Exif\0\0" or bare). 1 where the
// block is damaged or says nothing: a photograph is not refused for its metadata. The number may
// be of any of TIFF's types of whole numbers.
int ExifOrientation(std::span<const uint8_t> exif);

// Whether height and width change places.
inline bool SwapsSides(int orientation) { return orientation >= 5; }

// The stored pixels as people see them.
ImageU8 Upright(ImageU8 stored, int orientation);

}  // namespace i2crc::internal
