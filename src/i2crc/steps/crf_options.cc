// SPDX-License-Identifier: Apache-2.0
#include "i2crc/steps/crf_options.h"

#include <charconv>
#include <string_view>

#include "i2crc/core/error.h"

namespace i2crc {
namespace {

constexpr double kLargest = 1e6;

float OrOfPreset(double given, float of_preset) {
  return given == kOfPreset ? of_preset : static_cast<float>(given);
}

float Sigma(const char* name, double given, float of_preset) {
  // What is above 0 in double may be 0 in float.
  const float sigma = OrOfPreset(given, of_preset);
  if (!(sigma > 0)) Fail("--{}: {} is out of range (above 0, or -1: the preset's)", name, given);
  return sigma;
}

float Weight(const char* name, double given, float of_preset) {
  if (given < 0 && given != kOfPreset)
    Fail("--{}: {} is out of range (at least 0, or -1: the preset's)", name, given);
  return OrOfPreset(given, of_preset);
}

crf::Preset PresetOf(const std::string& name) {
  if (name == "psa") return crf::Preset::kPsa;
  return name == "irn" ? crf::Preset::kIrn : crf::Preset::kDeeplab;
}

crf::Normalization NormalizationOf(const std::string& name) {
  if (name == "none") return crf::Normalization::kNone;
  if (name == "before") return crf::Normalization::kBefore;
  return name == "after" ? crf::Normalization::kAfter : crf::Normalization::kSymmetric;
}

crf::Precision PrecisionOf(const std::string& name) {
  if (name == "single") return crf::Precision::kSingle;
  return name == "packed" ? crf::Precision::kPacked : crf::Precision::kAuto;
}

void ReadLabels(const std::string& text, CrfSettings& settings) {
  constexpr std::string_view kMass = "mass:";
  if (text == "all" || text == "tags") {
    settings.labels = text == "all" ? CrfLabels::kAll : CrfLabels::kTags;
    return;
  }
  if (!text.starts_with(kMass))
    Fail("--crf-labels: '{}' is none of all, tags and mass:X with a bound X, as in mass:0.001",
         text);
  const char* end = text.data() + text.size();
  const auto [stop, failure] = std::from_chars(text.data() + kMass.size(), end, settings.mass);
  if (failure != std::errc() || stop != end || !(settings.mass >= 0 && settings.mass <= 1))
    Fail("--crf-labels: '{}' has no bound of 0 to 1 after mass:", text);
  settings.labels = CrfLabels::kMass;
}

}  // namespace

void Describe(CrfOptions& o, OptionSet& set) {
  const auto number = [&](const char* name, double* target, const std::string& help) {
    set.Add(name, target, help + "; -1: the preset's").Range(kOfPreset, kLargest).Group("CRF");
  };
  set.Add("crf-preset", &o.preset,
          "Kernels of the dense CRF: Gaussian 1, 3 and bilateral 67, 3, 4 (deeplab), 3, 3 and 80, "
          "13, 10 (psa), 3, 3 and 50, 5, 10 (irn), each 10 iterations")
      .OneOf({"deeplab", "psa", "irn"})
      .Group("CRF");
  number("crf-gaussian-sigma", &o.gaussian_sigma, "Sigma of the Gaussian kernel in pixels");
  number("crf-gaussian-weight", &o.gaussian_weight, "Potts weight of the Gaussian kernel");
  number("crf-bilateral-sigma-xy", &o.bilateral_sigma_xy,
         "Sigma of the bilateral kernel in pixels");
  number("crf-bilateral-sigma-rgb", &o.bilateral_sigma_rgb,
         "Sigma of the bilateral kernel in colours of 0 to 255");
  number("crf-bilateral-weight", &o.bilateral_weight, "Potts weight of the bilateral kernel");
  set.Add("crf-iterations", &o.iterations, "Iterations of mean field; -1: the preset's")
      .Range(kOfPreset, 100000)
      .Group("CRF");
  set.Add("crf-normalisation", &o.normalisation, "Of both kernels, by their filter of ones")
      .OneOf({"none", "before", "after", "symmetric"})
      .Group("CRF");
  set.Add("crf-clip", &o.clip, "Smaller probabilities count as this").Range(1e-30, 1).Group("CRF");
  set.Add("crf-precision", &o.precision,
          "Of what is kept between the passes: 32 bits, 24, or 24 where that is faster")
      .OneOf({"auto", "single", "packed"})
      .Group("CRF");
  set.Add("crf-labels", &o.labels,
          "Labels that can win: all, those of the image's tags in LIST and background (tags), or "
          "those whose mean probability reaches a bound (mass:0.001); the others get 0")
      .Value("all|tags|mass:X")
      .Group("CRF");
}

CrfSettings Resolve(const CrfOptions& o) {
  CrfSettings settings;
  settings.pairwise = crf::SettingsOf(PresetOf(o.preset));
  crf::PairwiseSettings& p = settings.pairwise;
  p.gaussian_sigma = Sigma("crf-gaussian-sigma", o.gaussian_sigma, p.gaussian_sigma);
  p.gaussian_weight = Weight("crf-gaussian-weight", o.gaussian_weight, p.gaussian_weight);
  p.bilateral_sigma_xy =
      Sigma("crf-bilateral-sigma-xy", o.bilateral_sigma_xy, p.bilateral_sigma_xy);
  p.bilateral_sigma_rgb =
      Sigma("crf-bilateral-sigma-rgb", o.bilateral_sigma_rgb, p.bilateral_sigma_rgb);
  p.bilateral_weight = Weight("crf-bilateral-weight", o.bilateral_weight, p.bilateral_weight);
  if (o.iterations != kOfPreset) p.iterations = o.iterations;
  settings.normalization = NormalizationOf(o.normalisation);
  settings.precision = PrecisionOf(o.precision);
  settings.clip = static_cast<float>(o.clip);
  ReadLabels(o.labels, settings);
  return settings;
}

}  // namespace i2crc
