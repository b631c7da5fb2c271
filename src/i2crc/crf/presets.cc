// SPDX-License-Identifier: Apache-2.0
#include "i2crc/crf/dense_crf.h"

namespace i2crc::crf {

PairwiseSettings SettingsOf(Preset preset) {
  switch (preset) {
    case Preset::kPsa:
      return {3, 3, 80, 13, 10, 10};
    case Preset::kIrn:
      return {3, 3, 50, 5, 10, 10};
    case Preset::kDeeplab:
      break;
  }
  return {};
}

void AddTerms(DenseCrf& crf, const PairwiseSettings& settings, std::span<const uint8_t> rgb) {
  crf.AddGaussian(settings.gaussian_sigma, settings.gaussian_sigma,
                  Compatibility::Potts(settings.gaussian_weight));
  const float sigma_rgb = settings.bilateral_sigma_rgb;
  crf.AddBilateral(settings.bilateral_sigma_xy, settings.bilateral_sigma_xy,
                   {sigma_rgb, sigma_rgb, sigma_rgb}, rgb,
                   Compatibility::Potts(settings.bilateral_weight));
}

}  // namespace i2crc::crf
