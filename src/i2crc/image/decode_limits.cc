// SPDX-License-Identifier: Apache-2.0
#include "i2crc/image/decode_limits.h"

#include <algorithm>
#include <atomic>

#include "i2crc/core/error.h"
#include "i2crc/image/image_file.h"

namespace i2crc {
namespace {

constexpr int64_t kBytesPerPixel = 6;

std::atomic<int64_t> g_max_pixels{kDefaultMaxPixels};

}  // namespace

void SetMaxPixels(int64_t pixels) {
  ENSURE(pixels >= 1, "at most {} pixels", pixels);
  g_max_pixels = pixels;
}

int64_t MaxPixels() { return g_max_pixels; }

namespace internal {

int64_t DecodingNeeds::Bytes() const {
  const int64_t picture = height * width * channels;
  const int64_t turned = is_turned ? picture : 0;
  const int64_t rgb = channels == 3 ? 0 : 3 * height * width;
  return picture + std::max({coefficients, turned, rgb});
}

void CheckDecoding(const DecodingNeeds& needs, const std::string& name) {
  const int64_t h = needs.height, w = needs.width;
  if (h > kMaxSide || w > kMaxSide)
    Fail("{}: {} of {}x{} pixels is too large (at most {} a side)", name, needs.format, w, h,
         kMaxSide);
  const int64_t bytes = needs.Bytes();
  const int64_t counted = std::max(h * w, (bytes + kBytesPerPixel - 1) / kBytesPerPixel);
  if (counted > MaxPixels())
    Fail("{}: {} of {}x{} pixels is too large: decoding it takes {} MB; --max-pixels {} allows it",
         name, needs.format, w, h, (bytes + 999'999) / 1'000'000, counted);
}

}  // namespace internal
}  // namespace i2crc
