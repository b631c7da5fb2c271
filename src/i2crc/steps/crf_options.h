// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "i2crc/crf/dense_crf.h"
#include "i2crc/options/option_set.h"

namespace i2crc {

// A number that the preset decides.
inline constexpr int kOfPreset = -1;

// The dense CRF as crf, predict and run are told of it (ALGORITHM.md stage 4, "Dense CRF").
struct CrfOptions {
  std::string preset = "deeplab";  // deeplab, psa or irn
  double gaussian_sigma = kOfPreset;
  double gaussian_weight = kOfPreset;
  double bilateral_sigma_xy = kOfPreset;
  double bilateral_sigma_rgb = kOfPreset;
  double bilateral_weight = kOfPreset;
  int iterations = kOfPreset;
  std::string normalisation = "symmetric";  // none, before, after or symmetric
  double clip = 1e-5;
  std::string precision = "auto";  // auto, single or packed
  std::string labels = "all";      // all, tags or mass:X

  friend bool operator==(const CrfOptions&, const CrfOptions&) = default;
};
void Describe(CrfOptions& options, OptionSet& set);

// Which labels of an image can win: all, background and the tags of its list, or those whose mean
// probability over the image reaches a bound.
enum class CrfLabels { kAll, kTags, kMass };

// The options with the preset's numbers in place.
struct CrfSettings {
  crf::PairwiseSettings pairwise;
  crf::Normalization normalization = crf::Normalization::kSymmetric;
  crf::Precision precision = crf::Precision::kAuto;
  float clip = 1e-5F;
  CrfLabels labels = CrfLabels::kAll;
  double mass = 0;
};

// Throws Error "--crf-…: cause" for what no description can refuse.
CrfSettings Resolve(const CrfOptions& options);

}  // namespace i2crc
