// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "i2crc/core/image.h"
#include "i2crc/image/image_file.h"

namespace i2crc::internal {

// All of these throw Error "NAME: cause".

ImageHeader JpegHeader(std::span<const uint8_t> bytes, const std::string& name);

// Upright, 1 channel where the file is grey, otherwise RGB.
ImageU8 DecodeJpeg(std::span<const uint8_t> bytes, const std::string& name);

std::string EncodeJpeg(const ImageU8& rgb, int quality, const std::string& name);

// One row of CMYK as a JPEG holds it to RGB. inverted: 255 stands for no ink, as Adobe's programs
// write it.
void CmykToRgb(const uint8_t* cmyk, int width, bool inverted, uint8_t* rgb);

}  // namespace i2crc::internal
