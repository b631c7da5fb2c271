// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "i2crc/core/error.h"

namespace i2crc {

// Interleaved pixels, row-major: channel c of pixel (y, x) stands at (y·width + x)·channels + c.
template <typename T>
class Image {
 public:
  using value_type = T;

  Image() = default;
  Image(int height, int width, int channels, T fill = T{})
      : height_(height), width_(width), channels_(channels) {
    ENSURE(height >= 0 && width >= 0 && channels >= 1, "image of {}x{}x{}", height, width,
           channels);
    values_.assign(
        static_cast<size_t>(height) * static_cast<size_t>(width) * static_cast<size_t>(channels),
        fill);
  }

  int height() const { return height_; }
  int width() const { return width_; }
  int channels() const { return channels_; }
  size_t pixels() const { return static_cast<size_t>(height_) * static_cast<size_t>(width_); }
  size_t size() const { return values_.size(); }
  bool empty() const { return values_.empty(); }

  T* data() { return values_.data(); }
  const T* data() const { return values_.data(); }
  T* row(int y) { return data() + Offset(y, 0, 0); }
  const T* row(int y) const { return data() + Offset(y, 0, 0); }
  T& at(int y, int x, int c = 0) { return values_[Offset(y, x, c)]; }
  T at(int y, int x, int c = 0) const { return values_[Offset(y, x, c)]; }
  std::vector<T>& values() { return values_; }
  const std::vector<T>& values() const { return values_; }

  bool SameSize(const Image& other) const {
    return height_ == other.height_ && width_ == other.width_;
  }
  friend bool operator==(const Image&, const Image&) = default;

 private:
  size_t Offset(int y, int x, int c) const {
    return (static_cast<size_t>(y) * static_cast<size_t>(width_) + static_cast<size_t>(x)) *
               static_cast<size_t>(channels_) +
           static_cast<size_t>(c);
  }

  int height_ = 0;
  int width_ = 0;
  int channels_ = 1;
  std::vector<T> values_;
};

// RGB photographs (3 channels), saliency and attention maps, and masks (1 channel). A mask holds 0
// for background, k + 1 for class k, 255 for ignored.
using ImageU8 = Image<uint8_t>;
using ImageF32 = Image<float>;

inline constexpr uint8_t kIgnoreLabel = 255;
// What a mask can say of a tagged image's pixel besides, where there are fewer classes: that it is
// one of the tags; that it is one of them or background (in memory only, files have 255).
inline constexpr uint8_t kAnyTagLabel = 254;
inline constexpr uint8_t kTagOrBackgroundLabel = 253;
inline constexpr int kMaxClassesWithAnyTag = 252;
constexpr bool HasAnyTagLabel(int classes) { return classes <= kMaxClassesWithAnyTag; }
inline constexpr int kMaxClasses = 254;

}  // namespace i2crc
