// SPDX-License-Identifier: Apache-2.0
// Every feature of the engine against a mean field in double whose filter is the lattice written
// down plainly, for every instruction set and precision that this machine has.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "i2crc/crf/dense_crf.h"
#include "i2crc/crf/exact_crf.h"
#include "i2crc/crf/reference_lattice.h"
#include "i2crc/crf/test_problem.h"

namespace i2crc::crf {
namespace {

using i2crc::testing::CrfProblem;
using i2crc::testing::CrfVariant;
using i2crc::testing::LargestDifference;
using i2crc::testing::MakeCrfProblem;
using i2crc::testing::MarginalsOf;
using i2crc::testing::ReferenceLattice;
using i2crc::testing::Uniform;

constexpr auto kSymmetric = Normalization::kSymmetric;

// The same problem given to the engine and to the reference.
class Both {
 public:
  Both(const CrfVariant& variant, CrfProblem problem)
      : packed_(variant.precision != Precision::kSingle),
        problem_(std::move(problem)),
        engine_({.instruction_set = variant.instruction_set, .precision = variant.precision}),
        reference_(problem_.labels, static_cast<int64_t>(problem_.pixels()),
                   problem_.UnaryInDouble()) {
    engine_.Reset(problem_.labels, problem_.height, problem_.width);
    engine_.SetUnary(problem_.unary);
  }

  size_t labels() const { return static_cast<size_t>(problem_.labels); }

  void AddGaussian(float sigma_x, float sigma_y, const Compatibility& compatibility,
                   const std::vector<double>& matrix, Normalization normalization) {
    engine_.AddGaussian(sigma_x, sigma_y, compatibility, normalization);
    AddReference(Positions(sigma_x, sigma_y), 2, matrix, normalization);
  }
  void AddBilateral(float sigma_x, float sigma_y, const std::array<float, 3>& sigma_rgb,
                    const Compatibility& compatibility, const std::vector<double>& matrix,
                    Normalization normalization) {
    engine_.AddBilateral(sigma_x, sigma_y, sigma_rgb, problem_.rgb, compatibility, normalization);
    std::vector<float> features = Positions(sigma_x, sigma_y);
    for (size_t channel = 0; channel < 3; ++channel)
      for (size_t p = 0; p < problem_.pixels(); ++p)
        features.push_back(static_cast<float>(problem_.rgb[3 * p + channel]) / sigma_rgb[channel]);
    AddReference(features, 5, matrix, normalization);
  }
  void AddFeatures(const std::vector<float>& features, int dims, float weight) {
    engine_.AddFeatures(features, dims, Compatibility::Potts(weight), kSymmetric);
    AddReference(features, dims, PottsMatrix(problem_.labels, weight), kSymmetric);
  }
  void AddGaussian(float sigma, float weight, Normalization normalization = kSymmetric) {
    AddGaussian(sigma, sigma, Compatibility::Potts(weight), PottsMatrix(problem_.labels, weight),
                normalization);
  }
  void AddBilateral(float sigma_xy, float sigma_rgb, float weight,
                    Normalization normalization = kSymmetric) {
    AddBilateral(sigma_xy, sigma_xy, {sigma_rgb, sigma_rgb, sigma_rgb},
                 Compatibility::Potts(weight), PottsMatrix(problem_.labels, weight), normalization);
  }

  void ExpectEqual(int iterations) {
    EXPECT_EQ(engine_.lattice_sizes(), sizes_);
    std::vector<double> expected_divergence;
    const std::vector<double> expected = reference_.Infer(iterations, &expected_divergence);
    engine_.Infer(iterations);
    const double difference = LargestDifference(MarginalsOf(engine_), expected);
    ::testing::Test::RecordProperty("marginal", std::to_string(difference));
    EXPECT_LE(difference, packed_ ? kPackedTolerance : kSingleTolerance);

    const std::vector<double> divergence = engine_.InferWithDivergence(iterations);
    ASSERT_EQ(divergence.size(), expected_divergence.size());
    for (size_t i = 0; i < divergence.size(); ++i)
      EXPECT_NEAR(divergence[i], expected_divergence[i],
                  kDivergenceTolerance * std::max(1.0, std::abs(expected_divergence[i])))
          << "after " << i << " iterations";
    EXPECT_LE(LargestDifference(MarginalsOf(engine_), expected),
              packed_ ? kPackedTolerance : kSingleTolerance);
  }

 private:
  static constexpr double kSingleTolerance = 5e-6;
  static constexpr double kPackedTolerance = 5e-5;
  static constexpr double kDivergenceTolerance = 1e-5;

  std::vector<float> Positions(float sigma_x, float sigma_y) const {
    std::vector<float> features;
    for (int y = 0; y < problem_.height; ++y)
      for (int x = 0; x < problem_.width; ++x) features.push_back(static_cast<float>(x) / sigma_x);
    for (int y = 0; y < problem_.height; ++y)
      for (int x = 0; x < problem_.width; ++x) features.push_back(static_cast<float>(y) / sigma_y);
    return features;
  }
  void AddReference(const std::vector<float>& features, int dims, const std::vector<double>& matrix,
                    Normalization normalization) {
    const auto lattice = std::make_shared<const ReferenceLattice>(features, dims);
    sizes_.push_back(lattice->vertices());
    reference_.AddTerm([lattice](const std::vector<double>& values,
                                 int rows) { return lattice->Filter(values, rows); },
                       matrix, normalization);
  }

  bool packed_;
  CrfProblem problem_;
  DenseCrf engine_;
  ExactCrf reference_;
  std::vector<int64_t> sizes_;
};

class DenseCrfReference : public ::testing::TestWithParam<CrfVariant> {};

TEST_P(DenseCrfReference, NoTerms) {
  Both both(GetParam(), MakeCrfProblem(5, 7, 9));
  both.ExpectEqual(3);
}

TEST_P(DenseCrfReference, Normalizations) {
  for (const auto normalization : {Normalization::kNone, Normalization::kBefore,
                                   Normalization::kAfter, Normalization::kSymmetric}) {
    SCOPED_TRACE(static_cast<int>(normalization));
    const float weight = normalization == Normalization::kNone ? 0.1F : 3.0F;
    Both both(GetParam(), MakeCrfProblem(3, 13, 18));
    both.AddGaussian(2, weight, normalization);
    both.AddBilateral(6, 20, weight, normalization);
    both.ExpectEqual(4);
  }
}

// Numbers of labels on both sides of every width of a row, and several blocks of them.
TEST_P(DenseCrfReference, Labels) {
  for (const int labels :
       {1, 2, 3, 4, 5, 8, 9, 16, 17, 20, 21, 22, 32, 33, 40, 42, 43, 64, 81, 100, 300}) {
    SCOPED_TRACE(labels);
    Both both(GetParam(), MakeCrfProblem(labels, 6, 11));
    both.AddGaussian(1.5F, 2);
    both.AddBilateral(5, 30, 3);
    both.ExpectEqual(3);
  }
}

// Sizes on both sides of tiles and vectors.
TEST_P(DenseCrfReference, Sizes) {
  for (const auto& [height, width] : std::vector<std::pair<int, int>>{
           {1, 1}, {1, 2}, {3, 1}, {1, 37}, {41, 1}, {16, 16}, {17, 15}, {15, 33}, {32, 7}}) {
    SCOPED_TRACE(std::to_string(height) + " x " + std::to_string(width));
    Both both(GetParam(), MakeCrfProblem(3, height, width));
    both.AddGaussian(1, 3);
    both.AddBilateral(67, 3, 4);
    both.ExpectEqual(5);
  }
}

TEST_P(DenseCrfReference, WeightsOfLabels) {
  for (const int labels : {4, 40}) {
    SCOPED_TRACE(labels);
    std::vector<float> diagonal;
    for (int l = 0; l < labels; ++l) diagonal.push_back(static_cast<float>(l % 5) * -1.5F + 1);
    Both both(GetParam(), MakeCrfProblem(labels, 8, 10));
    both.AddBilateral(6, 7, {10, 20, 30}, Compatibility::PerLabel(diagonal),
                      DiagonalMatrix(std::vector<double>(diagonal.begin(), diagonal.end())),
                      kSymmetric);
    both.ExpectEqual(4);
  }
}

// Matrices that are not symmetric, beside a term without one, in one block and in several.
TEST_P(DenseCrfReference, Matrices) {
  for (const int labels : {1, 4, 9, 33, 70}) {
    SCOPED_TRACE(labels);
    std::mt19937 random(3);
    std::vector<float> matrix(static_cast<size_t>(labels * labels));
    for (float& value : matrix) value = 4 * Uniform(random) - 2;
    for (size_t l = 0; l < matrix.size(); l += static_cast<size_t>(labels) + 1) matrix[l] -= 2;
    const std::vector<double> in_double(matrix.begin(), matrix.end());
    Both both(GetParam(), MakeCrfProblem(labels, 9, 8));
    both.AddGaussian(2, 3, Compatibility::Matrix(matrix), in_double, Normalization::kAfter);
    both.AddBilateral(9, 25, 2);
    both.AddBilateral(5, 6, {30, 20, 50}, Compatibility::Matrix(matrix), in_double, kSymmetric);
    both.ExpectEqual(3);
  }
}

TEST_P(DenseCrfReference, Features) {
  for (const int dims : {1, 3, 4, 5, 7, 12, 32}) {
    SCOPED_TRACE(dims);
    std::mt19937 random(static_cast<uint32_t>(dims));
    const CrfProblem problem = MakeCrfProblem(4, 7, 17);
    std::vector<float> features(static_cast<size_t>(dims) * problem.pixels());
    for (float& value : features) value = 2 * Uniform(random) - 1;
    Both both(GetParam(), problem);
    both.AddFeatures(features, dims, 5);
    both.ExpectEqual(3);
  }
}

// Spread so widely that a key has more than 64 bits, and yet with near pairs.
TEST_P(DenseCrfReference, WideFeatures) {
  for (const int dims : {1, 5, 12, 32}) {
    SCOPED_TRACE(dims);
    std::mt19937 random(static_cast<uint32_t>(dims));
    const CrfProblem problem = MakeCrfProblem(3, 5, 16);
    const auto count = problem.pixels();
    std::vector<float> features(static_cast<size_t>(dims) * count);
    for (size_t i = 0; i < features.size(); ++i)
      features[i] = i % count % 2 == 1 ? features[i - 1] + 0.1F * Uniform(random)
                                       : 40000 * Uniform(random) - 20000;
    Both both(GetParam(), problem);
    both.AddFeatures(features, dims, 3);
    both.ExpectEqual(3);
  }
}

TEST_P(DenseCrfReference, ManyTerms) {
  Both both(GetParam(), MakeCrfProblem(6, 12, 21));
  for (const float sigma : {0.3F, 1.0F, 2.5F, 7.0F, 40.0F, 1000.0F}) {
    both.AddGaussian(sigma, 0.5F, Normalization::kSymmetric);
    both.AddBilateral(2 * sigma, 3 * sigma, 0.7F, Normalization::kBefore);
  }
  both.AddGaussian(2, 9, Compatibility::Potts(1), PottsMatrix(6, 1), Normalization::kAfter);
  both.AddGaussian(1, -0.5F);
  both.ExpectEqual(5);
}

// More vertices than pixels: every pixel is far from all others.
TEST_P(DenseCrfReference, NarrowKernels) {
  Both both(GetParam(), MakeCrfProblem(3, 40, 45));
  both.AddGaussian(0.2F, 2);
  both.AddBilateral(0.5F, 0.5F, 2);
  both.ExpectEqual(2);
}

INSTANTIATE_TEST_SUITE_P(All, DenseCrfReference, ::testing::ValuesIn(i2crc::testing::CrfVariants()),
                         i2crc::testing::NameOfVariant);

// What settings mean, in the words of the functions that they call.
TEST(Presets, AreTermsOfTheFieldsOwnNumbers) {
  const CrfProblem problem = MakeCrfProblem(3, 11, 14);
  struct Expected {
    Preset preset;
    float gaussian_sigma, gaussian_weight, sigma_xy, sigma_rgb, bilateral_weight;
  };
  for (const Expected& e :
       {Expected{Preset::kDeeplab, 1, 3, 67, 3, 4}, Expected{Preset::kPsa, 3, 3, 80, 13, 10},
        Expected{Preset::kIrn, 3, 3, 50, 5, 10}}) {
    const PairwiseSettings settings = SettingsOf(e.preset);
    EXPECT_EQ(settings.iterations, 10);
    DenseCrf crf, by_hand;
    for (DenseCrf* each : {&crf, &by_hand}) {
      each->Reset(3, 11, 14);
      each->SetUnary(problem.unary);
    }
    AddTerms(crf, settings, problem.rgb);
    by_hand.AddGaussian(e.gaussian_sigma, e.gaussian_sigma,
                        Compatibility::Potts(e.gaussian_weight));
    by_hand.AddBilateral(e.sigma_xy, e.sigma_xy, {e.sigma_rgb, e.sigma_rgb, e.sigma_rgb},
                         problem.rgb, Compatibility::Potts(e.bilateral_weight));
    crf.Infer(settings.iterations);
    by_hand.Infer(10);
    EXPECT_EQ(MarginalsOf(crf), MarginalsOf(by_hand));
  }
}

}  // namespace
}  // namespace i2crc::crf
