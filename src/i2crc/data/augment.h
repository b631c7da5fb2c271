// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "i2crc/core/image.h"
#include "i2crc/core/random.h"
#include "i2crc/data/normalisation.h"

namespace i2crc {

// The strength of the colour jitter: brightness, contrast and saturation factors uniform in [1 − x,
// 1 + x], the hue shift uniform in [−hue, hue] of the circle. 0 leaves a property alone.
struct JitterOptions {
  double brightness = 0.3;
  double contrast = 0.3;
  double saturation = 0.3;
  double hue = 0.1;
};

// The four adjustments in random order, each with Pillow's arithmetic.
void Jitter(ImageU8& rgb, const JitterOptions& options, Random& random);

// A photograph as an attention network takes it (ALGORITHM.md, stage 1): resized without keeping
// its shape, jittered where jitter is given (random is then needed), normalised. size: the square's
// side.
ImageF32 AttentionInput(const ImageU8& rgb, int size, Normalisation normalisation,
                        const JitterOptions* jitter = nullptr, Random* random = nullptr);

// The random scale, crop and flip of a segmentation sample (ALGORITHM.md, stage 4).
struct CropOptions {
  int crop = 321;                                          // the square's side
  std::vector<double> scales = {0.5, 0.75, 1, 1.25, 1.5};  // drawn evenly
  bool flip = true;                                        // with probability 0.5
};

struct SegmentationSample {
  ImageF32 image;  // normalised; 0 where padded
  ImageU8 labels;  // 255 where padded
};

SegmentationSample AugmentForSegmentation(const ImageU8& rgb, const ImageU8& mask,
                                          const CropOptions& options, Normalisation normalisation,
                                          Random& random);

}  // namespace i2crc
