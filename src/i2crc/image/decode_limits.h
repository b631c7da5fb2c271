// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

namespace i2crc::internal {

// What decoding an image takes, known from its header.
struct DecodingNeeds {
  const char* format;  // for messages
  int64_t height;      // as stored
  int64_t width;
  int channels;              // of the decoded picture, 8 bit each
  bool is_turned;            // upright by its EXIF orientation, into a second picture
  int64_t coefficients = 0;  // bytes that a JPEG of several scans is held in until the last of them

  // At the highest, single rows aside; the picture may be made RGB at the end.
  int64_t Bytes() const;
};

// Throws Error "NAME: …" where the image is larger than its format allows, or its pixels or the
// memory are more than MaxPixels() allows; a pixel may take 6 bytes. Those are enough for RGB that
// is turned, and for a progressive JPEG whose colours are stored at half the size.
void CheckDecoding(const DecodingNeeds& needs, const std::string& name);

}  // namespace i2crc::internal
