// SPDX-License-Identifier: Apache-2.0
#include <zlib.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "i2crc/core/error.h"
#include "i2crc/image/image_file.h"

namespace {

constexpr int64_t kMaxFuzzPixels = 1 << 20;  // keeps memory and time of one input small
constexpr size_t kSignature = 8;
constexpr size_t kLengthAndType = 8;

// Every chunk gets its right checksum, or hardly any input would come past the first one.
void RepairChecksums(std::vector<uint8_t>& png) {
  const auto byte = [&](size_t at) { return static_cast<size_t>(png[at]); };
  size_t at = kSignature;
  while (at + kLengthAndType + 4 <= png.size()) {
    const size_t length = byte(at) << 24 | byte(at + 1) << 16 | byte(at + 2) << 8 | byte(at + 3);
    if (length > png.size() - at - kLengthAndType - 4) return;
    const size_t end = at + kLengthAndType + length;
    const uint64_t sum = crc32(0, &png[at + 4], static_cast<uInt>(length + 4));
    for (size_t i = 0; i < 4; ++i) png[end + i] = static_cast<uint8_t>(sum >> (24 - 8 * i));
    at = end + 4;
  }
}

template <typename Read>
void Try(Read read) {
  try {
    read();
  } catch (const i2crc::Error&) {
  }
}

void ReadEverything(std::span<const uint8_t> bytes) {
  i2crc::ImageHeader header;
  try {
    header = i2crc::DecodeImageHeader(bytes, "fuzz.png");
  } catch (const i2crc::Error&) {
    return;
  }
  Try([&] {
    // What decodes has the size that its header says.
    const i2crc::ImageU8 photograph = i2crc::DecodePhotograph(bytes, "fuzz.png");
    ENSURE(photograph.height() == header.height && photograph.width() == header.width, "header");
  });
  Try([&] { i2crc::DecodeGrey(bytes, "fuzz.png"); });
  Try([&] { i2crc::DecodeMask(bytes, "fuzz.png"); });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  i2crc::SetMaxPixels(kMaxFuzzPixels);
  ReadEverything({data, size});
  std::vector<uint8_t> repaired(data, data + size);
  RepairChecksums(repaired);
  ReadEverything(repaired);
  return 0;
}
