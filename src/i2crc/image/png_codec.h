// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "i2crc/core/image.h"
#include "i2crc/image/image_file.h"
#include "i2crc/image/palette.h"

namespace i2crc::internal {

// All of these throw Error "NAME: cause" and turn the pixels upright.

ImageHeader PngHeader(std::span<const uint8_t> bytes, const std::string& name);

// 8 bit: 1 grey, 2 grey + alpha, 3 RGB or 4 RGBA channels; palettes looked up, tRNS made alpha, 16
// bit cut to the upper 8 as Pillow and OpenCV do.
ImageU8 DecodePngColours(std::span<const uint8_t> bytes, const std::string& name);

// One channel: a palette's indices or the values of 8-bit grey; anything else is an Error.
ImageU8 DecodePngIndices(std::span<const uint8_t> bytes, const std::string& name);

// A PNG file of 1 channel, of 1 channel with a palette, or of 3 channels.
std::string EncodePng(const ImageU8& image, const Palette* palette, const std::string& name);
// A PNG file of 16-bit grey.
std::string EncodePng(const Image<uint16_t>& grey, const std::string& name);

}  // namespace i2crc::internal
