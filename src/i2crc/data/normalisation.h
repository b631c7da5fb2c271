// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "i2crc/core/image.h"

namespace i2crc {

// What a network wants its pixels turned into. Recorded in every checkpoint.
enum class Normalisation {
  kRgb,  // "rgb": RGB / 255, ImageNet's mean and standard deviation; what torchvision's weights
         // want
  kBgr,  // "bgr": BGR 0…255 minus (104.008, 116.669, 122.675), not divided; the authors'
         // segmentation networks
};

const char* NormalisationName(Normalisation normalisation);
// Throws Error for another name.
Normalisation ParseNormalisation(const std::string& name);

// RGB values 0…255 in place to what the network wants; after it 0 is the mean.
void Normalise(ImageF32& rgb, Normalisation normalisation);

ImageF32 ToFloat(const ImageU8& image);

}  // namespace i2crc
