// SPDX-License-Identifier: Apache-2.0
// OpenCV's arithmetic: modules/imgproc/src/resize.cpp of OpenCV 4 is what the goldens come from.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <vector>

#include "i2crc/image/resize.h"

namespace i2crc {
namespace {

template <typename T>
void EnsureSizes(const Image<T>& image, int height, int width) {
  ENSURE(!image.empty() && height >= 1 && width >= 1, "resize {}x{} -> {}x{}", image.height(),
         image.width(), height, width);
}

std::vector<int> NearestCoordinates(int source, int target) {
  const double inverse = 1.0 / (static_cast<double>(target) / source);
  std::vector<int> coordinates(static_cast<size_t>(target));
  for (int i = 0; i < target; ++i)
    coordinates[static_cast<size_t>(i)] =
        std::min(static_cast<int>(std::floor(i * inverse)), source - 1);
  return coordinates;
}

// Two neighbours and the second one's weight.
struct LinearTap {
  int low;
  int high;
  float weight;
};

std::vector<LinearTap> LinearTaps(int source, int target) {
  const double scale = static_cast<double>(source) / target;
  std::vector<LinearTap> taps(static_cast<size_t>(target));
  for (int i = 0; i < target; ++i) {
    const float f = static_cast<float>((i + 0.5) * scale - 0.5);
    const int low = static_cast<int>(std::floor(f));
    LinearTap& tap = taps[static_cast<size_t>(i)];
    if (low < 0)
      tap = {0, 0, 0.0F};
    else if (low >= source - 1)
      tap = {source - 1, source - 1, 0.0F};
    else
      tap = {low, low + 1, f - static_cast<float>(low)};
  }
  return taps;
}

// The same for 8 bit: both weights in units of 2⁻¹¹, each rounded for itself.
struct FixedTap {
  int low;
  int high;
  int low_weight;
  int high_weight;
};

// Outside of the nodes the outermost stands alone across; down it is taken twice, with both
// weights, which is rounded otherwise.
std::vector<FixedTap> FixedTaps(int source, int target, bool across) {
  constexpr float kOne = 2048.0F;
  const double scale = 1.0 / (static_cast<double>(target) / source);
  std::vector<FixedTap> taps;
  for (int i = 0; i < target; ++i) {
    const float f = static_cast<float>((i + 0.5) * scale - 0.5);
    const int low = static_cast<int>(std::floor(f));
    const bool is_outside = low < 0 || low >= source - 1;
    const float weight = across && is_outside ? 0.0F : f - static_cast<float>(low);
    taps.push_back({std::clamp(low, 0, source - 1), std::clamp(low + 1, 0, source - 1),
                    static_cast<int>(std::nearbyint((1.0F - weight) * kOne)),
                    static_cast<int>(std::nearbyint(weight * kOne))});
  }
  return taps;
}

// One row across, in units of 2⁻¹¹, of which 4 bits are cut: below 2¹⁵.
void FixedRow(const std::vector<FixedTap>& taps, int channels, const uint8_t* from, int32_t* to) {
  for (const FixedTap& tap : taps) {
    const uint8_t* low = from + static_cast<ptrdiff_t>(tap.low) * channels;
    const uint8_t* high = from + static_cast<ptrdiff_t>(tap.high) * channels;
    for (int c = 0; c < channels; ++c)
      *to++ = (low[c] * tap.low_weight + high[c] * tap.high_weight) >> 4;
  }
}

constexpr int kCubicBits = 11;
constexpr int kCubicHalf = 1 << (2 * kCubicBits - 1);

struct CubicTap {
  std::array<int, 4> index;  // clamped into the source
  std::array<int, 4> weight;
};

std::array<int, 4> CubicWeights(float t) {
  constexpr float kA = -0.75F;
  const float u = 1.0F - t;
  std::array<float, 4> c;
  c[0] = ((kA * (t + 1) - 5 * kA) * (t + 1) + 8 * kA) * (t + 1) - 4 * kA;
  c[1] = ((kA + 2) * t - (kA + 3)) * t * t + 1;
  c[2] = ((kA + 2) * u - (kA + 3)) * u * u + 1;
  c[3] = 1.0F - c[0] - c[1] - c[2];
  std::array<int, 4> weights;
  for (size_t k = 0; k < 4; ++k)
    weights[k] = static_cast<int>(std::nearbyint(c[k] * (1 << kCubicBits)));
  return weights;
}

std::vector<CubicTap> CubicTaps(int source, int target) {
  const double scale = 1.0 / (static_cast<double>(target) / source);
  std::vector<CubicTap> taps(static_cast<size_t>(target));
  for (int i = 0; i < target; ++i) {
    const float f = static_cast<float>((i + 0.5) * scale - 0.5);
    const int low = static_cast<int>(std::floor(f));
    CubicTap& tap = taps[static_cast<size_t>(i)];
    tap.weight = CubicWeights(f - static_cast<float>(low));
    for (int k = 0; k < 4; ++k)
      tap.index[static_cast<size_t>(k)] = std::clamp(low - 1 + k, 0, source - 1);
  }
  return taps;
}

// Horizontal sums of one row, not yet scaled back: below 2²⁰ in absolute value.
void CubicRow(const std::vector<CubicTap>& taps, int channels, const uint8_t* from, int32_t* to) {
  for (const CubicTap& tap : taps)
    for (int c = 0; c < channels; ++c) {
      int32_t sum = 0;
      for (size_t k = 0; k < 4; ++k)
        sum += tap.weight[k] * from[static_cast<ptrdiff_t>(tap.index[k]) * channels + c];
      *to++ = sum;
    }
}

}  // namespace

ImageU8 ResizeOpenCvNearest(const ImageU8& image, int height, int width) {
  EnsureSizes(image, height, width);
  const std::vector<int> ys = NearestCoordinates(image.height(), height);
  const std::vector<int> xs = NearestCoordinates(image.width(), width);
  ImageU8 out(height, width, image.channels());
  for (int y = 0; y < height; ++y) {
    const uint8_t* from = image.row(ys[static_cast<size_t>(y)]);
    uint8_t* to = out.row(y);
    for (const int x : xs)
      to = std::copy_n(from + static_cast<ptrdiff_t>(x) * image.channels(), image.channels(), to);
  }
  return out;
}

ImageF32 ResizeOpenCvBilinear(const ImageF32& image, int height, int width) {
  EnsureSizes(image, height, width);
  const int channels = image.channels();
  const std::vector<LinearTap> xs = LinearTaps(image.width(), width);
  const std::vector<LinearTap> ys = LinearTaps(image.height(), height);
  // Two rows already resized across are kept: neighbouring target rows mostly need the same ones.
  ImageF32 rows(2, width, channels);
  std::array<int, 2> held = {-1, -1};
  const auto fill = [&](int slot, int y) {
    if (held[static_cast<size_t>(slot)] == y) return;
    held[static_cast<size_t>(slot)] = y;
    const float* from = image.row(y);
    float* to = rows.row(slot);
    for (const LinearTap& tap : xs) {
      const float* low = from + static_cast<ptrdiff_t>(tap.low) * channels;
      const float* high = from + static_cast<ptrdiff_t>(tap.high) * channels;
      for (int c = 0; c < channels; ++c)
        *to++ = low[c] * (1.0F - tap.weight) + high[c] * tap.weight;
    }
  };
  ImageF32 out(height, width, channels);
  const size_t values = static_cast<size_t>(width) * static_cast<size_t>(channels);
  for (int y = 0; y < height; ++y) {
    const LinearTap& tap = ys[static_cast<size_t>(y)];
    fill(tap.low & 1, tap.low);
    fill(tap.high & 1, tap.high);
    const float* low = rows.row(tap.low & 1);
    const float* high = rows.row(tap.high & 1);
    float* to = out.row(y);
    const float weight = tap.weight;
    for (size_t i = 0; i < values; ++i) to[i] = low[i] * (1.0F - weight) + high[i] * weight;
  }
  return out;
}

ImageU8 ResizeOpenCvBilinear(const ImageU8& image, int height, int width) {
  EnsureSizes(image, height, width);
  const std::vector<FixedTap> xs = FixedTaps(image.width(), width, true);
  const std::vector<FixedTap> ys = FixedTaps(image.height(), height, false);
  Image<int32_t> rows(2, width, image.channels());
  std::array<int, 2> held = {-1, -1};
  const auto row = [&](int y) {
    const int slot = y & 1;
    if (held[static_cast<size_t>(slot)] != y)
      FixedRow(xs, image.channels(), image.row(y), rows.row(slot));
    held[static_cast<size_t>(slot)] = y;
    return rows.row(slot);
  };
  ImageU8 out(height, width, image.channels());
  const size_t values = static_cast<size_t>(width) * static_cast<size_t>(image.channels());
  for (int y = 0; y < height; ++y) {
    const FixedTap& tap = ys[static_cast<size_t>(y)];
    const int32_t* low = row(tap.low);
    const int32_t* high = row(tap.high);
    uint8_t* to = out.row(y);
    for (size_t i = 0; i < values; ++i) {
      const int32_t sum =
          ((low[i] * tap.low_weight) >> 16) + ((high[i] * tap.high_weight) >> 16) + 2;
      to[i] = static_cast<uint8_t>(std::min(sum >> 2, 255));
    }
  }
  return out;
}

ImageU8 ResizeOpenCvCubic(const ImageU8& image, int height, int width) {
  EnsureSizes(image, height, width);
  const int channels = image.channels();
  const std::vector<CubicTap> xs = CubicTaps(image.width(), width);
  const std::vector<CubicTap> ys = CubicTaps(image.height(), height);
  Image<int32_t> rows(4, width, channels);
  std::array<int, 4> held = {-1, -1, -1, -1};
  ImageU8 out(height, width, channels);
  const size_t values = static_cast<size_t>(width) * static_cast<size_t>(channels);
  for (int y = 0; y < height; ++y) {
    const CubicTap& tap = ys[static_cast<size_t>(y)];
    std::array<const int32_t*, 4> from;
    for (size_t k = 0; k < 4; ++k) {
      // Four neighbouring rows never share a slot, so what is still needed stays.
      const int source = tap.index[k];
      const int slot = source & 3;
      if (held[static_cast<size_t>(slot)] != source) {
        CubicRow(xs, channels, image.row(source), rows.row(slot));
        held[static_cast<size_t>(slot)] = source;
      }
      from[k] = rows.row(slot);
    }
    const auto [w0, w1, w2, w3] = tap.weight;
    uint8_t* to = out.row(y);
    for (size_t i = 0; i < values; ++i) {
      const int32_t sum = w0 * from[0][i] + w1 * from[1][i] + w2 * from[2][i] + w3 * from[3][i];
      to[i] = static_cast<uint8_t>(std::clamp((sum + kCubicHalf) >> (2 * kCubicBits), 0, 255));
    }
  }
  return out;
}

}  // namespace i2crc
