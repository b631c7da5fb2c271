// SPDX-License-Identifier: Apache-2.0
// What holds for every problem, for every instruction set and precision that this machine has.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "i2crc/crf/dense_crf.h"
#include "i2crc/crf/test_problem.h"

namespace i2crc::crf {
namespace {

using i2crc::testing::CrfProblem;
using i2crc::testing::CrfVariant;
using i2crc::testing::LargestDifference;
using i2crc::testing::MakeCrfProblem;
using i2crc::testing::MarginalsOf;
using i2crc::testing::Uniform;

constexpr std::array kLabelCounts{1,  2,  3,  4,  5,  8,  9,  15, 16, 17,  20, 21,
                                  22, 32, 33, 40, 42, 43, 63, 64, 81, 100, 300};

::testing::AssertionResult AreDistributions(const std::vector<float>& marginals, int labels) {
  const size_t points = marginals.size() / static_cast<size_t>(labels);
  for (size_t p = 0; p < points; ++p) {
    double sum = 0;
    for (size_t i = p; i < marginals.size(); i += points) {
      if (!(marginals[i] >= 0 && marginals[i] <= 1))
        return ::testing::AssertionFailure() << "value " << i << " is " << marginals[i];
      sum += marginals[i];
    }
    // A marginal may be rounded to 18 bits.
    if (std::abs(sum - 1) > 1e-3)
      return ::testing::AssertionFailure() << "the sum at point " << p << " is " << sum;
  }
  return ::testing::AssertionSuccess();
}

class DenseCrfProperty : public ::testing::TestWithParam<CrfVariant> {
 protected:
  DenseCrf Crf(int threads = 1) const {
    return DenseCrf({.threads = threads,
                     .instruction_set = GetParam().instruction_set,
                     .precision = GetParam().precision});
  }
  // How far results may lie apart that differ only in the order of sums.
  double tolerance() const { return GetParam().precision == Precision::kSingle ? 1e-5 : 1e-4; }

  static void Pose(DenseCrf& crf, const CrfProblem& problem) {
    crf.Reset(problem.labels, problem.height, problem.width);
    crf.SetUnary(problem.unary);
    AddBoth(crf, problem);
  }
  static void AddBoth(DenseCrf& crf, const CrfProblem& problem) {
    crf.AddGaussian(2, 2, Compatibility::Potts(2));
    crf.AddBilateral(10, 10, {15, 15, 15}, problem.rgb, Compatibility::Potts(3));
  }
  std::vector<float> Inferred(const CrfProblem& problem, int iterations, int threads = 1) const {
    DenseCrf crf = Crf(threads);
    Pose(crf, problem);
    crf.Infer(iterations);
    return MarginalsOf(crf);
  }
};

TEST_P(DenseCrfProperty, MarginalsAreDistributions) {
  for (const int labels : kLabelCounts) {
    const CrfProblem problem = MakeCrfProblem(labels, 11, 19);
    for (const int iterations : {0, 1, 4})
      EXPECT_TRUE(AreDistributions(Inferred(problem, iterations), labels))
          << labels << " labels, " << iterations << " iterations";
  }
  const CrfProblem one_label = MakeCrfProblem(1, 11, 19);
  EXPECT_THAT(Inferred(one_label, 3), ::testing::Each(1.0F));
}

TEST_P(DenseCrfProperty, AnySizeOfImage) {
  for (const auto& [height, width] : std::vector<std::pair<int, int>>{
           {1, 1}, {1, 2}, {2, 1}, {1, 100}, {100, 1}, {15, 17}, {16, 48}, {33, 31}}) {
    EXPECT_TRUE(AreDistributions(Inferred(MakeCrfProblem(3, height, width), 5), 3))
        << height << " x " << width;
  }
}

TEST_P(DenseCrfProperty, AConstantImage) {
  CrfProblem problem = MakeCrfProblem(4, 20, 25);
  for (const uint8_t grey : {0, 128, 255}) {
    std::fill(problem.rgb.begin(), problem.rgb.end(), grey);
    EXPECT_TRUE(AreDistributions(Inferred(problem, 5), 4)) << int{grey};
  }
}

TEST_P(DenseCrfProperty, HardAndDenormalProbabilities) {
  constexpr float kDenormal = std::numeric_limits<float>::denorm_min();
  const std::array kValues{0.0F, 1.0F, kDenormal, 1e-39F, 1e-30F, 1e30F, 0.5F};
  const CrfProblem problem = MakeCrfProblem(5, 9, 14);
  std::vector<float> probability(problem.unary.size());
  for (size_t i = 0; i < probability.size(); ++i) probability[i] = kValues[i * 5 / 3 % 7];
  for (const float clip : {1e-30F, 1e-5F, 1.0F}) {
    DenseCrf crf = Crf();
    crf.Reset(5, 9, 14);
    crf.SetProbability(probability, clip);
    AddBoth(crf, problem);
    crf.Infer(5);
    EXPECT_TRUE(AreDistributions(MarginalsOf(crf), 5)) << clip;
  }
  for (const float value : {0.0F, 1.0F, kDenormal}) {
    DenseCrf crf = Crf();
    crf.Reset(5, 9, 14);
    crf.SetProbability(std::vector<float>(probability.size(), value));
    AddBoth(crf, problem);
    crf.Infer(2);
    const std::vector<float> marginals = MarginalsOf(crf);
    EXPECT_LE(LargestDifference(marginals, std::vector<float>(marginals.size(), 0.2F)), 1e-3);
  }
}

// Energies of +∞: labels that cannot be, at some pixels all of them.
TEST_P(DenseCrfProperty, ImpossibleLabels) {
  constexpr float kNever = std::numeric_limits<float>::infinity();
  for (const int labels : {1, 3, 21, 40}) {
    CrfProblem problem = MakeCrfProblem(labels, 9, 14);
    const size_t points = problem.pixels();
    for (size_t i = 0; i < problem.unary.size(); ++i)
      if (i % points < 4 || (i % points % 3 == 0 && i / points != 1)) problem.unary[i] = kNever;
    DenseCrf crf = Crf();
    Pose(crf, problem);
    for (const double divergence : crf.InferWithDivergence(3)) EXPECT_FALSE(std::isnan(divergence));
    crf.Infer(3);
    const std::vector<float> marginals = MarginalsOf(crf);
    EXPECT_TRUE(AreDistributions(marginals, labels)) << labels;
    for (size_t i = 0; i < marginals.size() && labels > 1; ++i) {
      if (i % points < 4 || problem.unary[i] != kNever) continue;
      ASSERT_LE(marginals[i], 0x1p-40F) << i;  // the least packed number
    }
  }
}

// Energies, weights and marginals far beyond what means anything are refused or do no harm.
TEST_P(DenseCrfProperty, HugeNumbers) {
  constexpr float kMax = std::numeric_limits<float>::max();
  const CrfProblem problem = MakeCrfProblem(3, 8, 9);
  const auto expect = [&](const std::string& what, const auto& change) {
    DenseCrf crf = Crf();
    Pose(crf, problem);
    try {
      change(crf);
    } catch (const std::invalid_argument&) {
      return;
    }
    for (int step = 0; step < 3; ++step) {
      crf.Step();
      EXPECT_TRUE(AreDistributions(MarginalsOf(crf), 3)) << what;
    }
  };
  for (const float size : {1e10F, 1e20F, 1e30F, kMax}) {
    std::vector<float> values(problem.unary.size());
    for (size_t i = 0; i < values.size(); ++i) values[i] = i % 2 == 0 ? size : -size;
    expect("energies of " + std::to_string(size), [&](DenseCrf& crf) {
      crf.SetUnary(values);
      crf.Start();
    });
    for (float& value : values) value = std::abs(value);
    expect("only energies of " + std::to_string(size), [&](DenseCrf& crf) {
      crf.SetUnary(values);
      crf.Start();
    });
    expect("marginals of " + std::to_string(size),
           [&](DenseCrf& crf) { crf.SetMarginals(values); });
    for (const float weight : {size, -size})
      expect("weights of " + std::to_string(weight), [&](DenseCrf& crf) {
        for (int term = 0; term < 3; ++term)
          crf.AddGaussian(2, 2, Compatibility::Potts(weight), Normalization::kNone);
        crf.AddGaussian(1, 1, Compatibility::Matrix(std::vector<float>(9, weight)));
        crf.Start();
      });
  }
}

TEST_P(DenseCrfProperty, PermutingLabelsPermutesResults) {
  for (const int labels : {2, 5, 21, 40, 100}) {
    SCOPED_TRACE(labels);
    const CrfProblem problem = MakeCrfProblem(labels, 10, 12);
    const size_t points = problem.pixels();
    CrfProblem permuted = problem;
    const auto place = [&](size_t l) { return (l * 3 + 1) % static_cast<size_t>(labels); };
    if (labels % 3 == 0) continue;  // then it is no permutation
    for (size_t l = 0; l < static_cast<size_t>(labels); ++l)
      std::copy_n(&problem.unary[l * points], points, &permuted.unary[place(l) * points]);
    const std::vector<float> plain = Inferred(problem, 4);
    const std::vector<float> got = Inferred(permuted, 4);
    std::vector<float> back(got.size());
    for (size_t l = 0; l < static_cast<size_t>(labels); ++l)
      std::copy_n(&got[place(l) * points], points, &back[l * points]);
    EXPECT_LE(LargestDifference(back, plain), tolerance());
  }
}

// A change of all energies of a pixel is none.
TEST_P(DenseCrfProperty, AConstantOfAPixelChangesNothing) {
  for (const int labels : {3, 21, 40}) {
    const CrfProblem problem = MakeCrfProblem(labels, 13, 9);
    CrfProblem shifted = problem;
    const size_t points = problem.pixels();
    for (size_t i = 0; i < shifted.unary.size(); ++i)
      shifted.unary[i] += static_cast<float>(i % points % 7) * 4 - 10;  // its sums round little
    EXPECT_LE(LargestDifference(Inferred(shifted, 4), Inferred(problem, 4)), tolerance()) << labels;
  }
}

TEST_P(DenseCrfProperty, StepByStepIsInfer) {
  for (const int labels : {1, 3, 16, 21, 50})
    for (const int threads : {1, 2}) {
      const CrfProblem problem = MakeCrfProblem(labels, 9, 13);
      DenseCrf crf = Crf(threads);
      Pose(crf, problem);
      crf.Start();
      EXPECT_EQ(MarginalsOf(crf), Inferred(problem, 0));
      for (int i = 1; i <= 4; ++i) {
        crf.Step();
        EXPECT_EQ(MarginalsOf(crf), Inferred(problem, i)) << labels << " labels, step " << i;
      }
    }
}

TEST_P(DenseCrfProperty, DivergencesDoNotChangeMarginals) {
  for (const int labels : {3, 21, 50}) {
    const CrfProblem problem = MakeCrfProblem(labels, 9, 13);
    DenseCrf crf = Crf();
    Pose(crf, problem);
    const std::vector<double> divergence = crf.InferWithDivergence(3);
    EXPECT_LE(LargestDifference(MarginalsOf(crf), Inferred(problem, 3)), tolerance());
    Pose(crf, problem);
    crf.Start();
    for (int i = 0; i < 3; ++i) {
      EXPECT_TRUE(std::isfinite(crf.Divergence()));
      crf.Step();
    }
    EXPECT_LE(LargestDifference(MarginalsOf(crf), Inferred(problem, 3)), tolerance());
  }
}

TEST_P(DenseCrfProperty, ThreadsDoNotChangeABit) {
  for (const int labels : {1, 3, 16, 17, 21, 70}) {
    const CrfProblem problem = MakeCrfProblem(labels, 70, 90);  // several pieces of work
    const std::vector<float> expected = Inferred(problem, 3);
    for (const int threads : {0, 2, 3, 8})
      EXPECT_EQ(Inferred(problem, 3, threads), expected) << labels << " labels, " << threads;
  }
}

TEST_P(DenseCrfProperty, ThreadsDoNotChangeMatricesOrDivergences) {
  const CrfProblem problem = MakeCrfProblem(5, 70, 90);
  std::vector<float> matrix(25, 0.5F);
  for (size_t l = 0; l < 5; ++l) matrix[l * 6] = -2 - static_cast<float>(l);
  std::vector<std::vector<double>> divergences;
  std::vector<std::vector<float>> marginals;
  for (const int threads : {1, 2, 3, 8}) {
    DenseCrf crf = Crf(threads);
    crf.Reset(5, 70, 90);
    crf.SetUnary(problem.unary);
    crf.AddBilateral(10, 10, {15, 15, 15}, problem.rgb, Compatibility::Matrix(matrix));
    divergences.push_back(crf.InferWithDivergence(3));
    marginals.push_back(MarginalsOf(crf));
  }
  EXPECT_THAT(divergences, ::testing::Each(divergences.front()));
  EXPECT_THAT(marginals, ::testing::Each(marginals.front()));
}

TEST_P(DenseCrfProperty, ThreadsDoNotChangeAnyNormalization) {
  const CrfProblem problem = MakeCrfProblem(4, 50, 60);
  for (const auto normalization : {Normalization::kNone, Normalization::kBefore,
                                   Normalization::kAfter, Normalization::kSymmetric}) {
    std::vector<std::vector<float>> marginals;
    for (const int threads : {1, 2, 3}) {
      DenseCrf crf = Crf(threads);
      crf.Reset(4, 50, 60);
      crf.SetUnary(problem.unary);
      crf.AddGaussian(2, 2, Compatibility::Potts(0.2F), normalization);
      crf.AddGaussian(3, 3, Compatibility::Potts(2), Normalization::kSymmetric);
      crf.Infer(3);
      marginals.push_back(MarginalsOf(crf));
    }
    EXPECT_THAT(marginals, ::testing::Each(marginals.front())) << static_cast<int>(normalization);
  }
}

TEST_P(DenseCrfProperty, RepetitionsAreTheSameBytes) {
  const CrfProblem problem = MakeCrfProblem(21, 30, 40);
  const std::vector<float> expected = Inferred(problem, 5);
  EXPECT_EQ(Inferred(problem, 5), expected);
  DenseCrf crf = Crf();
  for (int round = 0; round < 3; ++round) {
    Pose(crf, problem);
    crf.Infer(5);
    EXPECT_EQ(MarginalsOf(crf), expected);
    crf.Infer(5);
    EXPECT_EQ(MarginalsOf(crf), expected);
  }
}

TEST_P(DenseCrfProperty, AUsedObjectIsAsGoodAsAFreshOne) {
  struct Size {
    int labels, height, width;
  };
  for (const int threads : {1, 2}) {
    DenseCrf crf = Crf(threads);
    for (const Size& size : std::vector<Size>{{3, 20, 30},
                                              {21, 20, 30},
                                              {2, 31, 7},
                                              {100, 5, 6},
                                              {1, 1, 1},
                                              {33, 30, 20},
                                              {3, 20, 30},
                                              {21, 20, 30},
                                              {4, 20, 30},
                                              {4, 64, 64}}) {
      const CrfProblem problem = MakeCrfProblem(size.labels, size.height, size.width);
      Pose(crf, problem);
      crf.Infer(3);
      EXPECT_EQ(MarginalsOf(crf), Inferred(problem, 3))
          << size.labels << " labels, " << size.height << " x " << size.width;
    }
  }
}

// Gaussian lattices are kept, whatever tells them apart must do so; more of them than are kept.
TEST_P(DenseCrfProperty, KeptGaussiansAreTheRightOnes) {
  struct Kernel {
    int height, width;
    float sigma_x, sigma_y;
    Normalization normalization;
  };
  std::vector<Kernel> kernels;
  for (const auto& [height, width] : {std::pair{12, 18}, std::pair{18, 12}, std::pair{1, 216}})
    for (const auto& [sigma_x, sigma_y] : {std::pair{1.0F, 3.0F}, std::pair{3.0F, 1.0F}})
      for (const auto normalization : {Normalization::kNone, Normalization::kBefore,
                                       Normalization::kAfter, Normalization::kSymmetric})
        kernels.push_back({height, width, sigma_x, sigma_y, normalization});
  const auto infer = [](DenseCrf& crf, const Kernel& k) {
    const CrfProblem problem = MakeCrfProblem(3, k.height, k.width);
    crf.Reset(3, k.height, k.width);
    crf.SetUnary(problem.unary);
    crf.AddGaussian(k.sigma_x, k.sigma_y, Compatibility::Potts(0.3F), k.normalization);
    crf.AddBilateral(10, 10, {15, 15, 15}, problem.rgb, Compatibility::Potts(1));
    crf.Infer(2);
    return MarginalsOf(crf);
  };
  std::vector<std::vector<float>> fresh;
  for (const Kernel& kernel : kernels) {
    DenseCrf crf = Crf();
    fresh.push_back(infer(crf, kernel));
  }
  DenseCrf crf = Crf();
  for (size_t step = 1; step <= 5; step += 2)  // the second round in another order
    for (size_t i = 0; i < kernels.size(); ++i) {
      const size_t at = i * step % kernels.size();
      EXPECT_EQ(infer(crf, kernels[at]), fresh[at]) << at << " in steps of " << step;
    }
}

// Two terms with the same kernel are one with both weights.
TEST_P(DenseCrfProperty, EqualKernelsAddUp) {
  const CrfProblem problem = MakeCrfProblem(4, 15, 16);
  DenseCrf twice = Crf(), once = Crf();
  for (DenseCrf* crf : {&twice, &once}) {
    crf->Reset(4, 15, 16);
    crf->SetUnary(problem.unary);
  }
  once.AddGaussian(3, 3, Compatibility::Potts(5));
  twice.AddGaussian(3, 3, Compatibility::Potts(4));
  twice.AddGaussian(3, 3, Compatibility::Potts(1));
  once.Infer(4);
  twice.Infer(4);
  EXPECT_LE(LargestDifference(MarginalsOf(twice), MarginalsOf(once)), tolerance());
}

// The three ways to say a weight.
TEST_P(DenseCrfProperty, WeightVectorAndMatrixAgree) {
  for (const int labels : {3, 21, 40}) {
    const CrfProblem problem = MakeCrfProblem(labels, 11, 12);
    const auto count = static_cast<size_t>(labels);
    std::vector<float> matrix(count * count, 0.0F);
    for (size_t l = 0; l < count; ++l) matrix[l * (count + 1)] = -3;
    std::vector<std::vector<float>> marginals;
    for (const auto& compatibility :
         {Compatibility::Potts(3), Compatibility::PerLabel(std::vector<float>(count, -3.0F)),
          Compatibility::Matrix(matrix)}) {
      DenseCrf crf = Crf();
      crf.Reset(labels, 11, 12);
      crf.SetUnary(problem.unary);
      crf.AddBilateral(10, 10, {15, 15, 15}, problem.rgb, compatibility);
      crf.Infer(3);
      marginals.push_back(MarginalsOf(crf));
    }
    EXPECT_EQ(marginals[0], marginals[1]) << labels;
    EXPECT_LE(LargestDifference(marginals[0], marginals[2]), tolerance()) << labels;
  }
}

// Points without a grid are pixels in one row.
TEST_P(DenseCrfProperty, FeaturesOfPositionsAreAGaussian) {
  const CrfProblem problem = MakeCrfProblem(4, 10, 17);
  std::vector<float> features;
  for (int axis = 0; axis < 2; ++axis)
    for (int y = 0; y < 10; ++y)
      for (int x = 0; x < 17; ++x)
        features.push_back(axis == 0 ? static_cast<float>(x) / 2.5F : static_cast<float>(y) / 3.5F);
  DenseCrf grid = Crf(), points = Crf();
  grid.Reset(4, 10, 17);
  grid.SetUnary(problem.unary);
  grid.AddGaussian(2.5F, 3.5F, Compatibility::Potts(4));
  grid.Infer(3);
  points.Reset(4, 1, 170);
  points.SetUnary(problem.unary);
  points.AddFeatures(features, 2, Compatibility::Potts(4));
  points.Infer(3);
  EXPECT_LE(LargestDifference(MarginalsOf(grid), MarginalsOf(points)), tolerance());
}

TEST_P(DenseCrfProperty, ArgMaxIsTheLargestMarginal) {
  for (const int labels : {2, 21, 100}) {
    const CrfProblem problem = MakeCrfProblem(labels, 14, 15);
    DenseCrf crf = Crf(2);
    Pose(crf, problem);
    crf.Infer(3);
    const std::vector<float> marginals = MarginalsOf(crf);
    std::vector<int32_t> best(problem.pixels());
    crf.ArgMax(best);
    for (size_t p = 0; p < best.size(); ++p) {
      size_t first = 0;
      for (size_t l = 1; l < static_cast<size_t>(labels); ++l)
        if (marginals[l * best.size() + p] > marginals[first * best.size() + p]) first = l;
      ASSERT_EQ(static_cast<size_t>(best[p]), first) << labels << " labels, pixel " << p;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, DenseCrfProperty, ::testing::ValuesIn(i2crc::testing::CrfVariants()),
                         i2crc::testing::NameOfVariant);

}  // namespace
}  // namespace i2crc::crf
