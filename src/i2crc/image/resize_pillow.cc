// SPDX-License-Identifier: Apache-2.0
// Pillow's arithmetic: src/libImaging/Resample.c and Geometry.c of Pillow are what the goldens come
// from.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "i2crc/image/resize.h"

namespace i2crc {
namespace {

// 32 − 8 bits of a pixel − 2 of headroom.
constexpr int kBits = 22;
constexpr int32_t kHalf = 1 << (kBits - 1);

// The source pixels that one target pixel is made of, with their fixed-point weights.
struct Taps {
  int first;
  int count;
  size_t weights;  // offset in Kernel::weights
};

struct Kernel {
  std::vector<Taps> taps;
  std::vector<int32_t> weights;
};

Kernel BilinearKernel(int source, int target) {
  const double scale = static_cast<double>(source) / target;
  const double support = std::max(scale, 1.0);
  Kernel kernel;
  kernel.taps.reserve(static_cast<size_t>(target));
  std::vector<double> exact;
  for (int i = 0; i < target; ++i) {
    const double centre = (i + 0.5) * scale;
    const int first = std::max(0, static_cast<int>(centre - support + 0.5));
    const int end = std::min(source, static_cast<int>(centre + support + 0.5));
    exact.clear();
    double sum = 0;
    for (int x = first; x < end; ++x) {
      exact.push_back(std::max(0.0, 1.0 - std::abs(x - centre + 0.5) / support));
      sum += exact.back();
    }
    kernel.taps.push_back({first, end - first, kernel.weights.size()});
    for (const double weight : exact)
      kernel.weights.push_back(static_cast<int32_t>(0.5 + weight / sum * (1 << kBits)));
  }
  return kernel;
}

uint8_t ToPixel(int32_t sum) {
  return static_cast<uint8_t>(std::clamp((sum + kHalf) >> kBits, 0, 255));
}

// Channels as a template argument so that the sums of a pixel stay in registers.
template <int kChannels>
void HorizontalRow(const Kernel& kernel, const uint8_t* from, uint8_t* to) {
  for (const Taps& taps : kernel.taps) {
    const int32_t* weights = kernel.weights.data() + taps.weights;
    const uint8_t* pixel = from + static_cast<ptrdiff_t>(taps.first) * kChannels;
    int32_t sums[kChannels] = {};
    for (int k = 0; k < taps.count; ++k, pixel += kChannels)
      for (int c = 0; c < kChannels; ++c) sums[c] += weights[k] * pixel[c];
    for (int c = 0; c < kChannels; ++c) *to++ = ToPixel(sums[c]);
  }
}

void HorizontalRowAnyChannels(const Kernel& kernel, int channels, const uint8_t* from,
                              uint8_t* to) {
  for (const Taps& taps : kernel.taps)
    for (int c = 0; c < channels; ++c) {
      int32_t sum = 0;
      for (int k = 0; k < taps.count; ++k)
        sum += kernel.weights[taps.weights + static_cast<size_t>(k)] *
               from[static_cast<ptrdiff_t>(taps.first + k) * channels + c];
      *to++ = ToPixel(sum);
    }
}

ImageU8 Horizontal(const ImageU8& image, int width) {
  const Kernel kernel = BilinearKernel(image.width(), width);
  ImageU8 out(image.height(), width, image.channels());
  for (int y = 0; y < image.height(); ++y) switch (image.channels()) {
      case 1:
        HorizontalRow<1>(kernel, image.row(y), out.row(y));
        break;
      case 3:
        HorizontalRow<3>(kernel, image.row(y), out.row(y));
        break;
      default:
        HorizontalRowAnyChannels(kernel, image.channels(), image.row(y), out.row(y));
    }
  return out;
}

ImageU8 Vertical(const ImageU8& image, int height) {
  const Kernel kernel = BilinearKernel(image.height(), height);
  ImageU8 out(height, image.width(), image.channels());
  const size_t values = static_cast<size_t>(image.width()) * static_cast<size_t>(image.channels());
  std::vector<int32_t> sums(values);
  for (int y = 0; y < height; ++y) {
    const Taps& taps = kernel.taps[static_cast<size_t>(y)];
    std::fill(sums.begin(), sums.end(), 0);
    for (int k = 0; k < taps.count; ++k) {
      const int32_t weight = kernel.weights[taps.weights + static_cast<size_t>(k)];
      const uint8_t* from = image.row(taps.first + k);
      for (size_t i = 0; i < values; ++i) sums[i] += weight * from[i];
    }
    uint8_t* to = out.row(y);
    for (size_t i = 0; i < values; ++i) to[i] = ToPixel(sums[i]);
  }
  return out;
}

// An accumulated coordinate: (i + 0.5)·scale differs from it now and then.
std::vector<int> NearestCoordinates(int source, int target) {
  const double step = static_cast<double>(source) / target;
  std::vector<int> coordinates(static_cast<size_t>(target));
  double x = 0.5 * step;
  for (int& coordinate : coordinates) {
    coordinate = std::min(static_cast<int>(x), source - 1);
    x += step;
  }
  return coordinates;
}

}  // namespace

ImageU8 ResizePillowBilinear(const ImageU8& image, int height, int width) {
  ENSURE(!image.empty() && height >= 1 && width >= 1, "resize {}x{} -> {}x{}", image.height(),
         image.width(), height, width);
  // A pass that keeps the size would have weights 0 and 1.
  const ImageU8 wide = width == image.width() ? ImageU8() : Horizontal(image, width);
  const ImageU8& across = wide.empty() ? image : wide;
  return height == image.height() ? across : Vertical(across, height);
}

ImageU8 ResizePillowNearest(const ImageU8& image, int height, int width) {
  ENSURE(!image.empty() && height >= 1 && width >= 1, "resize {}x{} -> {}x{}", image.height(),
         image.width(), height, width);
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

}  // namespace i2crc
