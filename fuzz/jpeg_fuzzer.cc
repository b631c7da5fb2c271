// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <span>

#include "i2crc/core/error.h"
#include "i2crc/image/image_file.h"

namespace {

constexpr int64_t kMaxFuzzPixels = 1 << 18;  // keeps memory and time of one input small

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span bytes(data, size);
  i2crc::SetMaxPixels(kMaxFuzzPixels);
  try {
    const i2crc::ImageHeader header = i2crc::DecodeImageHeader(bytes, "fuzz.jpg");
    // What decodes has the size that its header says.
    const i2crc::ImageU8 photograph = i2crc::DecodePhotograph(bytes, "fuzz.jpg");
    ENSURE(photograph.height() == header.height && photograph.width() == header.width, "header");
    i2crc::DecodeGrey(bytes, "fuzz.jpg");
  } catch (const i2crc::Error&) {
  }
  return 0;
}
