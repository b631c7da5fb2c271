// SPDX-License-Identifier: Apache-2.0
#include "i2crc/image/jitter.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

namespace i2crc {
namespace {

using Pixel = std::array<uint8_t, 3>;

void EnsureRgb(const ImageU8& rgb) {
  ENSURE(rgb.channels() == 3, "jitter of an image with {} channels", rgb.channels());
}

int Luma(const uint8_t* rgb) {
  return (19595 * rgb[0] + 38470 * rgb[1] + 7471 * rgb[2] + 32768) >> 16;
}

// Pillow's blend of a degenerate value with the image's own.
uint8_t Blend(int degenerate, int value, float factor) {
  const float blended =
      static_cast<float>(degenerate) + factor * static_cast<float>(value - degenerate);
  return static_cast<uint8_t>(std::clamp(blended, 0.0F, 255.0F));
}

void BlendWithConstant(ImageU8& rgb, int degenerate, float factor) {
  std::array<uint8_t, 256> table;
  for (int value = 0; value < 256; ++value)
    table[static_cast<size_t>(value)] = Blend(degenerate, value, factor);
  for (uint8_t& value : rgb.values()) value = table[value];
}

// f32 and f64 alternate as in Pillow's C, where a literal such as 6.0 makes one operation double.
Pixel ToHsv(const uint8_t* rgb) {
  const int r = rgb[0], g = rgb[1], b = rgb[2];
  const int high = std::max(r, std::max(g, b));
  const int low = std::min(r, std::min(g, b));
  if (high == low) return {0, 0, static_cast<uint8_t>(high)};
  const float range = static_cast<float>(high - low);
  const float rc = static_cast<float>(high - r) / range;
  const float gc = static_cast<float>(high - g) / range;
  const float bc = static_cast<float>(high - b) / range;
  float h;
  if (r == high)
    h = bc - gc;
  else if (g == high)
    h = static_cast<float>(2.0 + static_cast<double>(rc) - static_cast<double>(bc));
  else
    h = static_cast<float>(4.0 + static_cast<double>(gc) - static_cast<double>(rc));
  double turn = static_cast<double>(h) / 6.0 + 1.0;  // 5/6 … 2
  if (turn >= 1.0) turn -= 1.0;                      // fmod(turn, 1), exactly
  h = static_cast<float>(turn);
  const float s = range / static_cast<float>(high);
  return {static_cast<uint8_t>(static_cast<int>(static_cast<double>(h) * 255.0)),
          static_cast<uint8_t>(static_cast<int>(static_cast<double>(s) * 255.0)),
          static_cast<uint8_t>(high)};
}

// A hue of 0…255 split into its sixth of the circle and the place within it.
struct Sextant {
  int index;
  float fraction;
};

std::array<Sextant, 256> Sextants() {
  std::array<Sextant, 256> table;
  for (int hue = 0; hue < 256; ++hue) {
    const double sixths = hue * 6.0 / 255.0;
    const int index = static_cast<int>(std::floor(sixths));
    table[static_cast<size_t>(hue)] = {index % 6, static_cast<float>(sixths - index)};
  }
  return table;
}

uint8_t RoundHalfUp(double value) { return static_cast<uint8_t>(value + 0.5); }

Pixel ToRgb(const Sextant& hue, uint8_t saturation, uint8_t v) {
  const float s = static_cast<float>(saturation / 255.0);
  const float f = hue.fraction;
  const uint8_t p = RoundHalfUp(v * (1.0 - static_cast<double>(s)));
  const uint8_t q = RoundHalfUp(v * (1.0 - static_cast<double>(s * f)));
  const uint8_t t =
      RoundHalfUp(v * (1.0 - static_cast<double>(s) * (1.0 - static_cast<double>(f))));
  switch (hue.index) {
    case 0:
      return {v, t, p};
    case 1:
      return {q, v, p};
    case 2:
      return {p, v, t};
    case 3:
      return {p, q, v};
    case 4:
      return {t, p, v};
    default:
      return {v, p, q};
  }
}

}  // namespace

void AdjustBrightness(ImageU8& rgb, float factor) {
  EnsureRgb(rgb);
  BlendWithConstant(rgb, 0, factor);
}

void AdjustContrast(ImageU8& rgb, float factor) {
  EnsureRgb(rgb);
  if (rgb.empty()) return;
  int64_t sum = 0;
  const uint8_t* const end = rgb.data() + rgb.size();
  for (const uint8_t* pixel = rgb.data(); pixel != end; pixel += 3) sum += Luma(pixel);
  const double mean = static_cast<double>(sum) / static_cast<double>(rgb.pixels());
  BlendWithConstant(rgb, static_cast<int>(mean + 0.5), factor);
}

void AdjustSaturation(ImageU8& rgb, float factor) {
  EnsureRgb(rgb);
  uint8_t* const end = rgb.data() + rgb.size();
  for (uint8_t* pixel = rgb.data(); pixel != end; pixel += 3) {
    const int grey = Luma(pixel);
    for (int c = 0; c < 3; ++c) pixel[c] = Blend(grey, pixel[c], factor);
  }
}

void AdjustHue(ImageU8& rgb, float shift) {
  EnsureRgb(rgb);
  ENSURE(std::abs(shift) <= 0.5F, "hue shift {}", shift);
  static const std::array<Sextant, 256> sextants = Sextants();
  const int steps = static_cast<int>(255.0 * static_cast<double>(shift));
  uint8_t* const end = rgb.data() + rgb.size();
  for (uint8_t* pixel = rgb.data(); pixel != end; pixel += 3) {
    const auto [h, s, v] = ToHsv(pixel);
    const Pixel turned = ToRgb(sextants[static_cast<size_t>((h + steps) & 255)], s, v);
    std::copy(turned.begin(), turned.end(), pixel);
  }
}

}  // namespace i2crc
