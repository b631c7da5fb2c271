// SPDX-License-Identifier: Apache-2.0
#include "i2crc/steps/crf_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "support/option_set_checks.h"

namespace i2crc {
namespace {

using ::testing::HasSubstr;

std::string RefusalOf(const std::function<void(CrfOptions&)>& change) {
  CrfOptions options;
  change(options);
  try {
    Resolve(options);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(CrfOptions, AreDescribed) {
  CrfOptions options;
  OptionSet set;
  Describe(options, set);
  testing::CheckOptionSet(set);
  EXPECT_EQ(options, CrfOptions());
}

TEST(CrfOptions, ThePresetDecidesWhatIsNotGiven) {
  const CrfSettings deeplab = Resolve({});
  EXPECT_EQ(deeplab.pairwise.gaussian_sigma, 1);
  EXPECT_EQ(deeplab.pairwise.bilateral_sigma_xy, 67);
  EXPECT_EQ(deeplab.pairwise.iterations, 10);
  EXPECT_EQ(deeplab.clip, 1e-5F);
  EXPECT_EQ(deeplab.labels, CrfLabels::kAll);
  CrfOptions options;
  options.preset = "psa";
  EXPECT_EQ(Resolve(options).pairwise.bilateral_sigma_xy, 80);
  EXPECT_EQ(Resolve(options).pairwise.bilateral_sigma_rgb, 13);
  options.preset = "irn";
  EXPECT_EQ(Resolve(options).pairwise.bilateral_sigma_rgb, 5);
  EXPECT_EQ(Resolve(options).pairwise.bilateral_weight, 10);
}

TEST(CrfOptions, EveryNumberReachesTheSettings) {
  CrfOptions options;
  options.preset = "psa";
  options.gaussian_sigma = 2;
  options.gaussian_weight = 0;
  options.bilateral_sigma_xy = 30;
  options.bilateral_sigma_rgb = 7;
  options.bilateral_weight = 5;
  options.iterations = 0;
  options.normalisation = "after";
  options.precision = "packed";
  options.clip = 0.25;
  options.labels = "mass:0.125";
  const CrfSettings settings = Resolve(options);
  EXPECT_EQ(settings.pairwise.gaussian_sigma, 2);
  EXPECT_EQ(settings.pairwise.gaussian_weight, 0);
  EXPECT_EQ(settings.pairwise.bilateral_sigma_xy, 30);
  EXPECT_EQ(settings.pairwise.bilateral_sigma_rgb, 7);
  EXPECT_EQ(settings.pairwise.bilateral_weight, 5);
  EXPECT_EQ(settings.pairwise.iterations, 0);
  EXPECT_EQ(settings.normalization, crf::Normalization::kAfter);
  EXPECT_EQ(settings.precision, crf::Precision::kPacked);
  EXPECT_EQ(settings.clip, 0.25F);
  EXPECT_EQ(settings.labels, CrfLabels::kMass);
  EXPECT_EQ(settings.mass, 0.125);
}

TEST(CrfOptions, ChoicesAreTheirOwn) {
  CrfOptions options;
  for (const auto& [name, value] : {std::pair{"none", crf::Normalization::kNone},
                                    {"before", crf::Normalization::kBefore},
                                    {"after", crf::Normalization::kAfter},
                                    {"symmetric", crf::Normalization::kSymmetric}}) {
    options.normalisation = name;
    EXPECT_EQ(Resolve(options).normalization, value) << name;
  }
  for (const auto& [name, value] : {std::pair{"auto", crf::Precision::kAuto},
                                    {"single", crf::Precision::kSingle},
                                    {"packed", crf::Precision::kPacked}}) {
    options.precision = name;
    EXPECT_EQ(Resolve(options).precision, value) << name;
  }
  options.labels = "tags";
  EXPECT_EQ(Resolve(options).labels, CrfLabels::kTags);
}

TEST(CrfOptions, NumbersOutOfRange) {
  EXPECT_EQ(RefusalOf([](CrfOptions& o) { o.gaussian_sigma = 0; }),
            "--crf-gaussian-sigma: 0 is out of range (above 0, or -1: the preset's)");
  EXPECT_EQ(RefusalOf([](CrfOptions& o) { o.bilateral_sigma_xy = -0.5; }),
            "--crf-bilateral-sigma-xy: -0.5 is out of range (above 0, or -1: the preset's)");
  // Above 0 only until it is rounded.
  EXPECT_THAT(RefusalOf([](CrfOptions& o) { o.bilateral_sigma_rgb = 1e-300; }),
              HasSubstr("--crf-bilateral-sigma-rgb: 1e-300 is out of range"));
  EXPECT_EQ(RefusalOf([](CrfOptions& o) { o.gaussian_weight = -0.5; }),
            "--crf-gaussian-weight: -0.5 is out of range (at least 0, or -1: the preset's)");
  EXPECT_THAT(RefusalOf([](CrfOptions& o) { o.bilateral_weight = -0.25; }),
              HasSubstr("--crf-bilateral-weight: -0.25"));
}

TEST(CrfOptions, LabelsThatAreNone) {
  for (const char* text : {"", "tag", "All", "mass", "0.001"})
    EXPECT_EQ(RefusalOf([&](CrfOptions& o) { o.labels = text; }),
              std::string("--crf-labels: '") + text +
                  "' is none of all, tags and mass:X with a bound X, as in mass:0.001");
  for (const char* text : {"mass:", "mass:x", "mass:0.1x", "mass:-0.1", "mass:1.5", "mass:nan",
                           "mass: 0.1", "mass:1e999"})
    EXPECT_EQ(RefusalOf([&](CrfOptions& o) { o.labels = text; }),
              std::string("--crf-labels: '") + text + "' has no bound of 0 to 1 after mass:");
}

}  // namespace
}  // namespace i2crc
