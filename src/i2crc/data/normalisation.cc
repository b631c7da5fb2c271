// SPDX-License-Identifier: Apache-2.0
#include "i2crc/data/normalisation.h"

#include <array>
#include <utility>

namespace i2crc {

const char* NormalisationName(Normalisation normalisation) {
  return normalisation == Normalisation::kRgb ? "rgb" : "bgr";
}

Normalisation ParseNormalisation(const std::string& name) {
  if (name == "rgb") return Normalisation::kRgb;
  if (name == "bgr") return Normalisation::kBgr;
  Fail("'{}' is no normalisation (rgb or bgr)", name);
}

void Normalise(ImageF32& rgb, Normalisation normalisation) {
  ENSURE(rgb.channels() == 3, "an image of {} channels", rgb.channels());
  constexpr std::array<float, 3> kMean = {0.485F, 0.456F, 0.406F};
  constexpr std::array<float, 3> kDeviation = {0.229F, 0.224F, 0.225F};
  constexpr std::array<float, 3> kBgrMean = {104.008F, 116.669F, 122.675F};
  float* pixel = rgb.data();
  const float* const end = pixel + rgb.size();
  for (; pixel != end; pixel += 3) {
    if (normalisation == Normalisation::kBgr) {
      std::swap(pixel[0], pixel[2]);
      for (size_t c = 0; c < 3; ++c) pixel[c] -= kBgrMean[c];
    } else {
      for (size_t c = 0; c < 3; ++c) pixel[c] = (pixel[c] / 255.0F - kMean[c]) / kDeviation[c];
    }
  }
}

ImageF32 ToFloat(const ImageU8& image) {
  ImageF32 result(image.height(), image.width(), image.channels());
  for (size_t i = 0; i < image.size(); ++i) result.values()[i] = image.values()[i];
  return result;
}

}  // namespace i2crc
