// SPDX-License-Identifier: Apache-2.0
// The dense CRF against the field's own implementation, for every instruction set and precision
// that this machine has.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "i2crc/crf/dense_crf.h"
#include "i2crc/crf/test_problem.h"
#include "i2crc/crf/unary.h"
#include "support/golden_file.h"
#include "support/test_dirs.h"

namespace i2crc::crf {
namespace {

using Json = nlohmann::json;
using i2crc::testing::CrfVariant;
using i2crc::testing::GoldenFile;
using i2crc::testing::GoldenTensor;
using i2crc::testing::LargestDifference;
using i2crc::testing::MarginalsOf;
using i2crc::testing::SharedPath;

constexpr double kPhotographTolerance = 0.002;
constexpr double kMarginalTolerance = 1e-3;
constexpr double kFeatureTolerance = 1e-5;
// With 24 bits between the passes, which few labels have only where they are asked for.
constexpr double kPackedFeatureTolerance = 5e-5;
constexpr double kDivergenceTolerance = 1e-5;  // relative
constexpr double kHelperTolerance = 1e-6;      // relative

// Sizes [L, …, N] of a golden: labels, and the grid of the others.
void ResetTo(DenseCrf& crf, const GoldenTensor& values) {
  const auto side = [&](size_t i) { return static_cast<int>(values.shape.at(i)); };
  if (values.shape.size() == 2)
    crf.Reset(side(0), 1, side(1));
  else
    crf.Reset(side(0), side(1), side(2));
}

Compatibility CompatibilityOf(const Json& json) {
  if (json.is_number()) return Compatibility::Potts(json.get<float>());
  if (json.at(0).is_number()) return Compatibility::PerLabel(json.get<std::vector<float>>());
  std::vector<float> matrix;
  for (const Json& row : json)
    for (const Json& value : row) matrix.push_back(value.get<float>());
  return Compatibility::Matrix(std::move(matrix));
}

Normalization NormalizationOf(const std::string& name) {
  if (name == "none") return Normalization::kNone;
  if (name == "before") return Normalization::kBefore;
  if (name == "after") return Normalization::kAfter;
  EXPECT_EQ(name, "symmetric");
  return Normalization::kSymmetric;
}

void AddTerm(DenseCrf& crf, const GoldenFile& golden, const Json& term) {
  const Compatibility compatibility = CompatibilityOf(term.at("compatibility"));
  const Normalization normalization = NormalizationOf(term.at("normalization"));
  const std::string kind = term.at("kind");
  if (kind == "features") {
    const GoldenTensor& features = golden.at(term.at("features"));
    crf.AddFeatures(features.Floats(), static_cast<int>(features.shape.at(0)), compatibility,
                    normalization);
    return;
  }
  const auto xy = term.at("sigma_xy").get<std::array<float, 2>>();
  if (kind == "gaussian") return crf.AddGaussian(xy[0], xy[1], compatibility, normalization);
  EXPECT_EQ(kind, "bilateral");
  crf.AddBilateral(xy[0], xy[1], term.at("sigma_rgb").get<std::array<float, 3>>(),
                   golden.at("image").U8(), compatibility, normalization);
}

// What the helper functions make of a case: positions, and of `image` its channels in front.
std::vector<float> FeaturesOf(const GoldenFile& golden, const Json& json) {
  const auto sigma = json.at("sdims").get<std::vector<double>>();
  if (!json.contains("image"))
    return GaussianFeatures(sigma, json.at("shape").get<std::vector<int64_t>>());
  const GoldenTensor& image = golden.at(json.at("image"));
  const std::vector<double> values = image.Values();
  const auto sigma_channels = json.at("schan").get<std::vector<double>>();
  const size_t channels = sigma_channels.size(), points = values.size() / channels;
  std::vector<int64_t> shape(image.shape.begin(), image.shape.end());
  if (json.at("chdim") != -1) shape.pop_back();
  std::vector<float> planes(values.size());
  for (size_t p = 0; p < points; ++p)
    for (size_t c = 0; c < channels; ++c)
      planes[c * points + p] = static_cast<float>(values[p * channels + c]);
  return BilateralFeatures(sigma, sigma_channels, shape, planes);
}

class DenseCrfGoldens : public ::testing::TestWithParam<CrfVariant> {
 protected:
  DenseCrf Crf() const {
    return DenseCrf({.threads = 2,
                     .instruction_set = GetParam().instruction_set,
                     .precision = GetParam().precision});
  }

  // With the largest differences beside the results of the test, for those who measure.
  void ExpectMarginals(const std::string& name, const DenseCrf& crf, const GoldenTensor& expected,
                       double tolerance) {
    const double difference = LargestDifference(MarginalsOf(crf), expected.Values());
    RecordProperty("golden_" + name, std::to_string(difference));
    EXPECT_LE(difference, tolerance) << name;
  }

  void ExpectPhotograph(const std::string& file) {
    const GoldenFile golden(SharedPath("goldens/" + file));
    DenseCrf crf = Crf();
    ResetTo(crf, golden.at("probability"));
    crf.SetProbability(golden.at("probability").Floats());
    const PairwiseSettings settings = SettingsOf(Preset::kDeeplab);
    AddTerms(crf, settings, golden.at("image").U8());
    crf.Infer(settings.iterations);
    ExpectMarginals("marginal", crf, golden.at("marginal"), kPhotographTolerance);

    const std::vector<uint8_t> expected = golden.at("labels").U8();
    std::vector<int32_t> labels(expected.size());
    crf.ArgMax(labels);
    size_t differing = 0;
    for (size_t p = 0; p < labels.size(); ++p) differing += labels[p] != expected[p];
    RecordProperty("labels_differing", static_cast<int>(differing));
    EXPECT_LE(static_cast<double>(differing), 1e-4 * static_cast<double>(labels.size()));
  }
};

TEST_P(DenseCrfGoldens, ThreeLabels) {
  I2CRC_NEEDS_SHARED("goldens/dense_crf_few.safetensors");
  ExpectPhotograph("dense_crf_few.safetensors");
}

TEST_P(DenseCrfGoldens, TwentyOneLabels) {
  I2CRC_NEEDS_SHARED("goldens/dense_crf_21.safetensors");
  ExpectPhotograph("dense_crf_21.safetensors");
}

TEST_P(DenseCrfGoldens, SmallImage) {
  I2CRC_NEEDS_SHARED("goldens/dense_crf_small.safetensors");
  const GoldenFile golden(SharedPath("goldens/dense_crf_small.safetensors"));
  DenseCrf crf = Crf();
  EXPECT_EQ(golden.metadata().size(), 5u);
  for (const auto& [name, text] : golden.metadata()) {
    const Json json = Json::parse(text);
    PairwiseSettings settings;
    settings.gaussian_sigma = json.at("gaussian_sigma_xy");
    settings.gaussian_weight = json.at("gaussian_weight");
    settings.bilateral_sigma_xy = json.at("bilateral_sigma_xy");
    settings.bilateral_sigma_rgb = json.at("bilateral_sigma_rgb");
    settings.bilateral_weight = json.at("bilateral_weight");
    ResetTo(crf, golden.at("probability"));
    crf.SetProbability(golden.at("probability").Floats());
    AddTerms(crf, settings, golden.at("image").U8());
    crf.Infer(json.at("iterations"));
    ExpectMarginals(name, crf, golden.at(name), kMarginalTolerance);
  }
}

TEST_P(DenseCrfGoldens, Options) {
  I2CRC_NEEDS_SHARED("goldens/dense_crf_options.safetensors");
  const GoldenFile golden(SharedPath("goldens/dense_crf_options.safetensors"));
  DenseCrf crf = Crf();
  int cases = 0, divergences = 0;
  for (const auto& [name, text] : golden.metadata()) {
    if (name == "utils") continue;
    const Json json = Json::parse(text);
    ++cases;
    if (json.contains("input")) {
      const GoldenTensor& probability = golden.at(json.at("input"));
      ResetTo(crf, probability);
      crf.SetProbability(probability.Floats());
    } else {
      ResetTo(crf, golden.at(name + ".unary"));
      crf.SetUnary(golden.at(name + ".unary").Floats());
    }
    for (const Json& term : json.at("pairwise")) AddTerm(crf, golden, term);
    const std::vector<double> divergence = crf.InferWithDivergence(json.at("iterations"));
    ExpectMarginals(name, crf, golden.at(name), kMarginalTolerance);
    if (!golden.contains(name + ".kl")) continue;
    ++divergences;
    const std::vector<double> expected = golden.at(name + ".kl").Values();
    ASSERT_EQ(divergence.size(), expected.size());
    for (size_t i = 0; i < expected.size(); ++i)
      EXPECT_NEAR(divergence[i], expected[i], kDivergenceTolerance * std::abs(expected[i]))
          << name << " after " << i << " iterations";
  }
  EXPECT_EQ(cases, 9);
  EXPECT_EQ(divergences, 2);
}

// The helpers' features, equal to the last bit, and what follows from them.
TEST_P(DenseCrfGoldens, FeaturesOnAGrid) {
  I2CRC_NEEDS_SHARED("goldens/dense_crf_features.safetensors");
  const GoldenFile golden(SharedPath("goldens/dense_crf_features.safetensors"));
  DenseCrf crf = Crf();
  EXPECT_EQ(golden.metadata().size(), 9u);
  for (const auto& [name, text] : golden.metadata()) {
    const Json json = Json::parse(text);
    const GoldenTensor& expected = golden.at(name + ".features");
    const std::vector<float> features = FeaturesOf(golden, json);
    EXPECT_EQ(features, expected.Floats()) << name;
    ResetTo(crf, golden.at(name + ".unary"));
    crf.SetUnary(golden.at(name + ".unary").Floats());
    crf.AddFeatures(features, static_cast<int>(expected.shape.at(0)),
                    CompatibilityOf(json.at("compat")), NormalizationOf(json.at("normalization")));
    crf.Infer(json.at("iterations"));
    ExpectMarginals(
        name, crf, golden.at(name),
        GetParam().precision == Precision::kPacked ? kPackedFeatureTolerance : kFeatureTolerance);
  }
}

INSTANTIATE_TEST_SUITE_P(All, DenseCrfGoldens, ::testing::ValuesIn(i2crc::testing::CrfVariants()),
                         i2crc::testing::NameOfVariant);

}  // namespace
}  // namespace i2crc::crf
