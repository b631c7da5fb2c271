// SPDX-License-Identifier: Apache-2.0
#include "i2crc/data/augment.h"

#include <algorithm>
#include <array>

#include "i2crc/image/jitter.h"
#include "i2crc/image/resize.h"

namespace i2crc {

void Jitter(ImageU8& rgb, const JitterOptions& options, Random& random) {
  auto factor = [&](double strength) {
    return static_cast<float>(random.Uniform(std::max(0.0, 1 - strength), 1 + strength));
  };
  const float brightness = factor(options.brightness);
  const float contrast = factor(options.contrast);
  const float saturation = factor(options.saturation);
  const auto hue = static_cast<float>(random.Uniform(-options.hue, options.hue));
  std::vector<int> order = {0, 1, 2, 3};
  random.Shuffle(order);
  for (const int adjustment : order) {
    if (adjustment == 0 && options.brightness > 0) AdjustBrightness(rgb, brightness);
    if (adjustment == 1 && options.contrast > 0) AdjustContrast(rgb, contrast);
    if (adjustment == 2 && options.saturation > 0) AdjustSaturation(rgb, saturation);
    if (adjustment == 3 && options.hue > 0) AdjustHue(rgb, hue);
  }
}

ImageF32 AttentionInput(const ImageU8& rgb, int size, Normalisation normalisation,
                        const JitterOptions* jitter, Random* random) {
  ENSURE(jitter == nullptr || random != nullptr, "jitter without a stream of random numbers");
  ImageU8 square = ResizePillowBilinear(rgb, size, size);
  if (jitter != nullptr) Jitter(square, *jitter, *random);
  ImageF32 result = ToFloat(square);
  Normalise(result, normalisation);
  return result;
}

SegmentationSample AugmentForSegmentation(const ImageU8& rgb, const ImageU8& mask,
                                          const CropOptions& options, Normalisation normalisation,
                                          Random& random) {
  ENSURE(rgb.height() == mask.height() && rgb.width() == mask.width(),
         "photograph and mask differ");
  const double scale =
      options
          .scales[static_cast<size_t>(random.Below(static_cast<int64_t>(options.scales.size())))];
  const int height = std::max(1, static_cast<int>(rgb.height() * scale));
  const int width = std::max(1, static_cast<int>(rgb.width() * scale));
  ImageF32 image = ResizeOpenCvBilinear(ToFloat(rgb), height, width);
  Normalise(image, normalisation);
  const ImageU8 labels = ResizePillowNearest(mask, height, width);

  // Padding stands right and below, so a crop's corner lies in the image.
  const int top = static_cast<int>(random.Below(std::max(0, height - options.crop) + 1));
  const int left = static_cast<int>(random.Below(std::max(0, width - options.crop) + 1));
  const bool flip = options.flip && random.Uniform() < 0.5;

  SegmentationSample sample{ImageF32(options.crop, options.crop, 3),
                            ImageU8(options.crop, options.crop, 1, kIgnoreLabel)};
  const int rows = std::min(options.crop, height - top);
  const int columns = std::min(options.crop, width - left);
  for (int y = 0; y < rows; ++y) {
    for (int x = 0; x < columns; ++x) {
      const int to = flip ? options.crop - 1 - x : x;
      for (int c = 0; c < 3; ++c) sample.image.at(y, to, c) = image.at(top + y, left + x, c);
      sample.labels.at(y, to) = labels.at(top + y, left + x);
    }
  }
  return sample;
}

}  // namespace i2crc
