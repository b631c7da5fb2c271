// SPDX-License-Identifier: Apache-2.0
// The interface: what follows what, what can be called when, and which error names what.
#include "i2crc/crf/dense_crf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "i2crc/crf/test_problem.h"
#include "i2crc/threads/few_threads.h"

namespace i2crc::crf {
namespace {

using i2crc::testing::CrfProblem;
using i2crc::testing::LargestDifference;
using i2crc::testing::MakeCrfProblem;
using i2crc::testing::MarginalsOf;
using ::testing::AnyOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;
using ::testing::ThrowsMessage;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

auto Refuses(const char* argument) {
  return ThrowsMessage<std::invalid_argument>(StartsWith(argument));
}
auto IsOutOfOrder() { return ThrowsMessage<std::logic_error>(StartsWith("DenseCrf: ")); }

// A problem with its unary and both kernels.
void Pose(DenseCrf& crf, const CrfProblem& problem) {
  crf.Reset(problem.labels, problem.height, problem.width);
  crf.SetUnary(problem.unary);
  crf.AddGaussian(2, 3, Compatibility::Potts(2));
  crf.AddBilateral(8, 7, {20, 20, 20}, problem.rgb, Compatibility::Potts(3));
}

std::vector<float> Inferred(const CrfProblem& problem, int iterations) {
  DenseCrf crf;
  Pose(crf, problem);
  crf.Infer(iterations);
  return MarginalsOf(crf);
}

TEST(DenseCrf, KnowsItsSize) {
  DenseCrf crf;
  EXPECT_EQ(crf.labels(), 0);
  crf.Reset(3, 4, 5);
  EXPECT_EQ(crf.labels(), 3);
  EXPECT_EQ(crf.height(), 4);
  EXPECT_EQ(crf.width(), 5);
  EXPECT_EQ(crf.pixels(), 20);
  EXPECT_THAT(crf.lattice_sizes(), IsEmpty());
}

TEST(DenseCrf, NoIterationIsTheSoftmaxOfTheUnary) {
  DenseCrf crf;
  crf.Reset(2, 1, 2);
  crf.SetUnary(std::vector<float>{0, std::log(3.0F), std::log(4.0F), 0});
  crf.AddGaussian(1, 1, Compatibility::Potts(3));
  crf.Infer(0);
  EXPECT_LE(LargestDifference(MarginalsOf(crf), std::vector<float>{0.8F, 0.25F, 0.2F, 0.75F}),
            1e-6);
}

TEST(DenseCrf, ProbabilitiesAreClippedAndTurnedIntoEnergies) {
  const std::vector<float> probability{0, 1e-40F, 0.3F, 1, 7, 1e-3F, 0.7F, 0};
  for (const float clip : {1e-5F, 0.01F, 1.0F}) {
    std::vector<float> energy;
    for (const float p : probability) energy.push_back(-std::log(std::clamp(p, clip, 1.0F)));
    DenseCrf from_probability, from_energy;
    from_probability.Reset(2, 2, 2);
    from_probability.SetProbability(probability, clip);
    from_probability.Infer(0);
    from_energy.Reset(2, 2, 2);
    from_energy.SetUnary(energy);
    from_energy.Infer(0);
    EXPECT_LE(LargestDifference(MarginalsOf(from_probability), MarginalsOf(from_energy)), 1e-6);
  }
}

TEST(DenseCrf, GoesOnFromMarginals) {
  const CrfProblem problem = MakeCrfProblem(4, 8, 19);
  DenseCrf crf;
  Pose(crf, problem);
  crf.SetMarginals(Inferred(problem, 2));
  EXPECT_EQ(MarginalsOf(crf), Inferred(problem, 2));
  crf.Step();
  EXPECT_EQ(MarginalsOf(crf), Inferred(problem, 3));
}

// Marginals of the caller's are taken as they are: the sum of each pixel may be anything.
TEST(DenseCrf, MarginalsNeedNotSumToOne) {
  const CrfProblem problem = MakeCrfProblem(3, 6, 6);
  DenseCrf crf;
  Pose(crf, problem);
  const std::vector<float> nothing(problem.unary.size(), 0.0F);
  crf.SetMarginals(nothing);
  EXPECT_EQ(MarginalsOf(crf), nothing);
  crf.Step();  // no mass, no message
  EXPECT_LE(LargestDifference(MarginalsOf(crf), Inferred(problem, 0)), 1e-6);
}

TEST(DenseCrf, DivergenceOfEachIteration) {
  const CrfProblem problem = MakeCrfProblem(4, 12, 10);
  DenseCrf crf;
  Pose(crf, problem);
  const std::vector<double> divergence = crf.InferWithDivergence(3);
  ASSERT_THAT(divergence, SizeIs(4));
  EXPECT_LE(LargestDifference(MarginalsOf(crf), Inferred(problem, 3)), 1e-6);
  crf.Start();
  for (size_t i = 0;; ++i) {
    EXPECT_NEAR(crf.Divergence(), divergence[i], 1e-6 * std::abs(divergence[i])) << i;
    EXPECT_NEAR(crf.Divergence(), divergence[i], 1e-6 * std::abs(divergence[i])) << "once more";
    if (i == 3) break;
    crf.Step();
  }
  EXPECT_LE(LargestDifference(MarginalsOf(crf), Inferred(problem, 3)), 1e-6);
  // Mean field goes down here.
  EXPECT_TRUE(std::is_sorted(divergence.rbegin(), divergence.rend()));
  EXPECT_THAT(crf.InferWithDivergence(0), SizeIs(1));
}

TEST(DenseCrf, TheFirstOfEqualLabelsIsTheBest) {
  for (const int labels : {1, 2, 5, 40, 100}) {
    DenseCrf crf;
    crf.Reset(labels, 1, 3);
    // Pixel 0: all equal; pixel 1: the last two; pixel 2: the last.
    std::vector<float> energy(static_cast<size_t>(labels) * 3, 0.0F);
    for (size_t l = 0; l < static_cast<size_t>(labels); ++l) {
      energy[l * 3 + 1] = l + 2 >= static_cast<size_t>(labels) ? 0.0F : 2.0F;
      energy[l * 3 + 2] = l + 1 == static_cast<size_t>(labels) ? 0.0F : 2.0F;
    }
    crf.SetUnary(energy);
    crf.Infer(0);
    std::vector<int32_t> best(3);
    crf.ArgMax(best);
    EXPECT_THAT(best, ElementsAre(0, std::max(0, labels - 2), labels - 1));
  }
}

TEST(DenseCrf, AnotherUnaryForTheSameTerms) {
  const CrfProblem problem = MakeCrfProblem(4, 10, 11);
  const CrfProblem other = MakeCrfProblem(4, 10, 11, 2);
  DenseCrf crf;
  Pose(crf, other);
  crf.Infer(2);
  crf.Reset(4, 10, 11);
  crf.AddGaussian(2, 3, Compatibility::Potts(2));
  crf.AddBilateral(8, 7, {20, 20, 20}, problem.rgb, Compatibility::Potts(3));
  crf.SetUnary(other.unary);
  crf.Infer(2);
  crf.SetUnary(problem.unary);
  crf.Infer(2);
  EXPECT_EQ(MarginalsOf(crf), Inferred(problem, 2));
}

TEST(DenseCrf, TermsMayComeBetweenIterations) {
  const CrfProblem problem = MakeCrfProblem(4, 10, 11);
  DenseCrf crf;
  crf.Reset(4, 10, 11);
  crf.SetUnary(problem.unary);
  crf.Start();
  crf.AddGaussian(2, 3, Compatibility::Potts(2));
  crf.AddBilateral(8, 7, {20, 20, 20}, problem.rgb, Compatibility::Potts(3));
  crf.Step();
  EXPECT_EQ(MarginalsOf(crf), Inferred(problem, 1));
  crf.AddGaussian(20, 20, Compatibility::Potts(1));
  EXPECT_TRUE(std::isfinite(crf.Divergence()));
  crf.Infer(1);
  EXPECT_NE(MarginalsOf(crf), Inferred(problem, 1));
}

TEST(DenseCrf, SaysWhereItsTimeWent) {
  const CrfProblem problem = MakeCrfProblem(3, 60, 80);
  DenseCrf crf;
  EXPECT_EQ(crf.times().build, 0);
  Pose(crf, problem);
  EXPECT_GT(crf.times().build, 0);
  EXPECT_EQ(crf.times().splat, 0);
  crf.Infer(2);
  MarginalsOf(crf);
  EXPECT_GT(crf.times().splat + crf.times().update, 0);
  EXPECT_GT(crf.times().blur, 0);
  EXPECT_GT(crf.times().update, 0);
  EXPECT_GT(crf.times().convert, 0);
  EXPECT_THAT(crf.lattice_sizes(), SizeIs(2));
}

TEST(DenseCrf, Moves) {
  const CrfProblem problem = MakeCrfProblem(3, 5, 6);
  DenseCrf crf;
  Pose(crf, problem);
  DenseCrf moved(std::move(crf));
  moved.Infer(1);
  DenseCrf assigned;
  assigned = std::move(moved);
  EXPECT_EQ(MarginalsOf(assigned), Inferred(problem, 1));
}

TEST(DenseCrf, CallsOutOfOrderAreRefused) {
  DenseCrf crf;
  std::vector<float> marginals(2);
  std::vector<int32_t> labels(1);
  const std::vector<uint8_t> rgb(3);
  const auto potts = Compatibility::Potts(1);
  EXPECT_THAT([&] { crf.SetUnary({}); }, IsOutOfOrder());
  EXPECT_THAT([&] { crf.SetProbability({}); }, IsOutOfOrder());
  EXPECT_THAT([&] { crf.AddGaussian(1, 1, potts); }, IsOutOfOrder());
  EXPECT_THAT([&] { crf.AddBilateral(1, 1, {1, 1, 1}, rgb, potts); }, IsOutOfOrder());
  EXPECT_THAT([&] { crf.AddFeatures(marginals, 1, potts); }, IsOutOfOrder());
  EXPECT_THAT([&] { crf.SetMarginals({}); }, IsOutOfOrder());
  // First without a size, then without a unary.
  for (int round = 0; round < 2; ++round) {
    EXPECT_THAT([&] { crf.Infer(1); }, IsOutOfOrder());
    EXPECT_THAT([&] { crf.InferWithDivergence(1); }, IsOutOfOrder());
    EXPECT_THAT([&] { crf.Start(); }, IsOutOfOrder());
    EXPECT_THAT([&] { crf.Step(); }, IsOutOfOrder());
    EXPECT_THAT([&] { crf.Divergence(); }, IsOutOfOrder());
    EXPECT_THAT([&] { crf.Marginals(marginals); }, IsOutOfOrder());
    EXPECT_THAT([&] { crf.ArgMax(labels); }, IsOutOfOrder());
    crf.Reset(2, 1, 1);
  }
  crf.SetUnary(std::vector<float>{1, 2});
  EXPECT_THAT([&] { crf.Step(); }, IsOutOfOrder());
  EXPECT_THAT([&] { crf.Divergence(); }, IsOutOfOrder());
  EXPECT_THAT([&] { crf.Marginals(marginals); }, IsOutOfOrder());
  crf.Infer(1);
  crf.Reset(2, 1, 1);
  EXPECT_THAT([&] { crf.Marginals(marginals); }, IsOutOfOrder());
  crf.SetMarginals(marginals);
  crf.Marginals(marginals);
  EXPECT_THAT([&] { crf.Step(); }, IsOutOfOrder());
}

TEST(DenseCrfErrors, Sizes) {
  DenseCrf crf;
  for (const int labels : {0, -1, 65537, std::numeric_limits<int>::min()})
    EXPECT_THAT([&] { crf.Reset(labels, 4, 4); }, Refuses("labels:"));
  for (const int side : {0, -1, std::numeric_limits<int>::min()}) {
    EXPECT_THAT([&] { crf.Reset(2, side, 4); }, Refuses("height:"));
    EXPECT_THAT([&] { crf.Reset(2, 4, side); }, Refuses("width:"));
  }
  const auto too_large =
      ThrowsMessage<std::invalid_argument>(AnyOf(StartsWith("height"), StartsWith("width")));
  EXPECT_THAT([&] { crf.Reset(1, 1 << 14, (1 << 13) + 1); }, too_large);
  EXPECT_THAT([&] { crf.Reset(1, 1 << 30, 1 << 30); }, too_large);
  EXPECT_THAT([&] { crf.Reset(65536, 1 << 13, 1 << 13); }, Refuses("labels:"));
  EXPECT_EQ(crf.labels(), 0);
}

TEST(DenseCrf, ALabelOfInfiniteEnergyCannotBe) {
  CrfProblem problem = MakeCrfProblem(3, 9, 10);
  for (size_t i = 0; i < 45; ++i) problem.unary[i] = kInfinity;  // label 0 on half the pixels
  for (size_t l = 0; l < 3; ++l) problem.unary[l * 90 + 89] = kInfinity;  // and all on one
  const std::vector<float> marginals = Inferred(problem, 3);
  for (size_t i = 0; i < 90; ++i) {
    if (i < 45) {
      EXPECT_EQ(marginals[i], 0) << i;
    }
    EXPECT_NEAR(marginals[i] + marginals[90 + i] + marginals[180 + i], 1, 1e-6) << i;
  }
}

TEST(DenseCrfErrors, Unary) {
  DenseCrf crf;
  crf.Reset(2, 2, 2);
  EXPECT_THAT([&] { crf.SetUnary(std::vector<float>(7)); }, Refuses("energy:"));
  EXPECT_THAT([&] { crf.SetUnary(std::vector<float>(9)); }, Refuses("energy:"));
  EXPECT_THAT([&] { crf.SetProbability(std::vector<float>(7)); }, Refuses("probability:"));
  for (const float bad : {kNan, kInfinity, -kInfinity}) {
    std::vector<float> values(8, 0.5F);
    values[5] = bad;
    if (bad != kInfinity) {
      EXPECT_THAT([&] { crf.SetUnary(values); }, Refuses("energy:"));
    }
    EXPECT_THAT([&] { crf.SetProbability(values); }, Refuses("probability:"));
  }
  std::vector<float> values(8, 0.5F);
  for (const float clip : {0.0F, -1e-5F, 1.001F, kNan, kInfinity})
    EXPECT_THAT([&] { crf.SetProbability(values, clip); }, Refuses("clip:"));
  values[7] = -1e-6F;
  EXPECT_THAT([&] { crf.SetProbability(values); }, Refuses("probability:"));
  EXPECT_THAT([&] { crf.Infer(1); }, IsOutOfOrder());  // none of them was taken
}

TEST(DenseCrfErrors, Kernels) {
  const CrfProblem problem = MakeCrfProblem(2, 3, 4);
  DenseCrf crf;
  Pose(crf, problem);
  const auto potts = Compatibility::Potts(1);
  for (const float bad : {0.0F, -1.0F, kNan, kInfinity}) {
    EXPECT_THAT([&] { crf.AddGaussian(bad, 1, potts); }, Refuses("sigma_x:"));
    EXPECT_THAT([&] { crf.AddGaussian(1, bad, potts); }, Refuses("sigma_y:"));
    EXPECT_THAT(
        [&] {
          crf.AddBilateral(bad, 1, {1, 1, 1}, problem.rgb, potts);
        },
        Refuses("sigma_x:"));
    EXPECT_THAT(
        [&] {
          crf.AddBilateral(1, bad, {1, 1, 1}, problem.rgb, potts);
        },
        Refuses("sigma_y:"));
    for (size_t channel = 0; channel < 3; ++channel) {
      std::array<float, 3> sigma{1, 1, 1};
      sigma[channel] = bad;
      EXPECT_THAT([&] { crf.AddBilateral(1, 1, sigma, problem.rgb, potts); },
                  Refuses("sigma_rgb:"));
    }
  }
  const std::vector<uint8_t> short_rgb(problem.rgb.begin(), problem.rgb.end() - 1);
  EXPECT_THAT([&] { crf.AddBilateral(1, 1, {1, 1, 1}, short_rgb, potts); }, Refuses("rgb:"));
  EXPECT_THAT([&] { crf.AddBilateral(1, 1, {1, 1, 1}, {}, potts); }, Refuses("rgb:"));
  EXPECT_THAT([&] { AddTerms(crf, {}, short_rgb); }, Refuses("rgb:"));
  for (const int dims : {0, -1, 33})
    EXPECT_THAT([&] { crf.AddFeatures(std::vector<float>(12 * 33), dims, potts); },
                Refuses("dims:"));
  EXPECT_THAT([&] { crf.AddFeatures(std::vector<float>(35), 3, potts); }, Refuses("features:"));
  for (const float bad : {kNan, kInfinity, -kInfinity}) {
    std::vector<float> features(36);
    features[20] = bad;
    EXPECT_THAT([&] { crf.AddFeatures(features, 3, potts); }, Refuses("features:"));
  }
}

// Too narrow for positions or values of this size: the lattice's coordinates would be no integers.
TEST(DenseCrfErrors, KernelsTooNarrow) {
  const CrfProblem problem = MakeCrfProblem(2, 3, 4);
  DenseCrf crf;
  Pose(crf, problem);
  const auto potts = Compatibility::Potts(1);
  const auto sigma = ThrowsMessage<std::invalid_argument>(StartsWith("sigma"));
  for (const float tiny : {1e-7F, 1e-20F, std::numeric_limits<float>::denorm_min()}) {
    EXPECT_THAT([&] { crf.AddGaussian(tiny, 1, potts); }, sigma);
    EXPECT_THAT([&] { crf.AddGaussian(1, tiny, potts); }, sigma);
    EXPECT_THAT([&] { crf.AddBilateral(1, 1, {1, tiny, 1}, problem.rgb, potts); }, sigma);
  }
  for (const float huge : {1e8F, -1e20F, std::numeric_limits<float>::max()}) {
    std::vector<float> features(24);
    features[7] = huge;
    EXPECT_THAT([&] { crf.AddFeatures(features, 2, potts); }, Refuses("features:"));
  }
}

TEST(DenseCrfErrors, Compatibilities) {
  const CrfProblem problem = MakeCrfProblem(3, 3, 4);
  DenseCrf crf;
  Pose(crf, problem);
  const std::vector<Compatibility> wrong{
      Compatibility::Potts(kNan),
      Compatibility::Potts(-kInfinity),
      Compatibility::PerLabel({}),
      Compatibility::PerLabel({1, 2}),
      Compatibility::PerLabel({1, 2, kNan}),
      Compatibility::PerLabel({1, 2, 3, 4}),
      Compatibility::Matrix({}),
      Compatibility::Matrix({1}),
      Compatibility::Matrix({1, 2, 3}),
      Compatibility::Matrix(std::vector<float>(10, 1.0F)),
      Compatibility::Matrix({1, 2, 3, 4, kInfinity, 6, 7, 8, 9}),
  };
  for (const Compatibility& compatibility : wrong) {
    EXPECT_THAT([&] { crf.AddGaussian(1, 1, compatibility); }, Refuses("compat"));
    EXPECT_THAT(
        [&] {
          crf.AddBilateral(1, 1, {1, 1, 1}, problem.rgb, compatibility);
        },
        Refuses("compat"));
    EXPECT_THAT([&] { crf.AddFeatures(std::vector<float>(12), 1, compatibility); },
                Refuses("compat"));
  }
  // A refused term is none.
  EXPECT_THAT(crf.lattice_sizes(), SizeIs(2));
  crf.Infer(2);
  EXPECT_EQ(MarginalsOf(crf), Inferred(problem, 2));
}

TEST(DenseCrfErrors, IterationsAndMarginals) {
  const CrfProblem problem = MakeCrfProblem(2, 3, 4);
  DenseCrf crf;
  Pose(crf, problem);
  EXPECT_THAT([&] { crf.Infer(-1); }, Refuses("iterations:"));
  EXPECT_THAT([&] { crf.InferWithDivergence(-1); }, Refuses("iterations:"));
  for (const float bad : {kNan, kInfinity, -1e-6F}) {
    std::vector<float> values(24, 0.5F);
    values[23] = bad;
    EXPECT_THAT([&] { crf.SetMarginals(values); }, Refuses("marginals:"));
  }
  EXPECT_THAT([&] { crf.SetMarginals(std::vector<float>(23)); }, Refuses("marginals:"));
  crf.Infer(1);
  std::vector<float> marginals(25);
  std::vector<int32_t> labels(24);
  EXPECT_THAT([&] { crf.Marginals(marginals); }, Refuses("marginals:"));
  EXPECT_THAT([&] { crf.ArgMax(labels); }, Refuses("labels:"));
}

TEST(DenseCrfErrors, Options) {
  EXPECT_THAT([] { DenseCrf({.threads = -1}); }, Refuses("threads:"));
  EXPECT_THAT([] { ForEachImage(1, -1, {}, [](DenseCrf&, int64_t) {}); }, Refuses("threads:"));
  EXPECT_THAT([] { InstructionSetNamed("sse9"); },
              ThrowsMessage<std::invalid_argument>(::testing::HasSubstr("sse9")));
}

TEST(DenseCrfErrors, MoreThreadsThanAnyOptionAsksFor) {
  EXPECT_THAT([] { DenseCrf({.threads = kMostThreads + 1}); }, Refuses("threads:"));
  EXPECT_THAT([] { ForEachImage(0, kMostThreads + 1, {}, [](DenseCrf&, int64_t) {}); },
              Refuses("threads:"));
}

TEST(DenseCrf, WorksWithTheThreadsThatCanBeStarted) {
  const CrfProblem problem = MakeCrfProblem(3, 70, 80);
  const std::vector<float> expected = Inferred(problem, 2);
  for (const int most : {0, 3}) {
    const testing::FewThreads few(most);
    DenseCrf crf({.threads = kMostThreads});
    EXPECT_EQ(crf.threads(), most + 1);
    Pose(crf, problem);
    crf.Infer(2);
    EXPECT_TRUE(MarginalsOf(crf) == expected);
  }
}

TEST(Compatibility, IsADiagonalOrAMatrix) {
  EXPECT_THAT(Compatibility::Potts(2).Diagonal(3), ElementsAre(-2, -2, -2));
  EXPECT_THAT(Compatibility::Potts(2).Symmetric(2), ElementsAre(-2, 0, 0, -2));
  EXPECT_THAT(Compatibility::PerLabel({1, -2}).Diagonal(2), ElementsAre(1, -2));
  EXPECT_THAT(Compatibility::PerLabel({1, -2}).Symmetric(2), ElementsAre(1, 0, 0, -2));
  EXPECT_THAT(Compatibility::Matrix({1, 2, 4, 5}).Diagonal(2), IsEmpty());
  EXPECT_THAT(Compatibility::Matrix({1, 2, 4, 5}).Symmetric(2), ElementsAre(1, 3, 3, 5));
}

TEST(InstructionSets, HaveNames) {
  const std::vector<InstructionSet> available = AvailableInstructionSets();
  EXPECT_EQ(available.at(0), InstructionSet::kPortable);
  EXPECT_THAT(available, Not(Contains(InstructionSet::kBest)));
  for (const InstructionSet set : {InstructionSet::kBest, InstructionSet::kPortable,
                                   InstructionSet::kAvx2, InstructionSet::kAvx512})
    EXPECT_EQ(InstructionSetNamed(NameOf(set)), set);
}

TEST(ForEachImage, WorksOnEachImageOnce) {
  const CrfProblem problem = MakeCrfProblem(3, 9, 10);
  const std::vector<float> expected = Inferred(problem, 3);
  for (const int threads : {0, 1, 2, 5}) {
    std::vector<int> times(23, 0);
    std::vector<std::vector<float>> marginals(times.size());
    ForEachImage(23, threads, {}, [&](DenseCrf& crf, int64_t i) {
      const auto at = static_cast<size_t>(i);
      ++times[at];
      Pose(crf, problem);
      crf.Infer(3);
      marginals[at] = MarginalsOf(crf);
    });
    EXPECT_THAT(times, ::testing::Each(1));
    EXPECT_THAT(marginals, ::testing::Each(expected));
  }
  ForEachImage(0, 3, {}, [](DenseCrf&, int64_t) { FAIL(); });
}

TEST(ForEachImage, WorksWithTheThreadsThatCanBeStarted) {
  for (const int most : {0, 3}) {
    const testing::FewThreads few(most);
    std::atomic<int> done{0};
    ForEachImage(20, 64, {.threads = 2}, [&](DenseCrf&, int64_t) { ++done; });
    EXPECT_EQ(done, 20);
  }
}

TEST(ForEachImage, ThrowsWhatTheFirstFailingImageThrew) {
  for (const int threads : {1, 4}) {
    std::atomic<int> done{0};
    EXPECT_THAT(
        [&] {
          ForEachImage(40, threads, {}, [&](DenseCrf&, int64_t i) {
            ++done;
            if (i == 3 || i == 5) throw std::runtime_error("image " + std::to_string(i));
          });
        },
        ThrowsMessage<std::runtime_error>("image 3"));
    EXPECT_GE(done, 4);
  }
}

}  // namespace
}  // namespace i2crc::crf
