// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <ostream>
#include <random>
#include <string>
#include <vector>

#include "i2crc/crf/dense_crf.h"

namespace i2crc::testing {

// An instruction set and a precision, as a parameter of tests.
struct CrfVariant {
  crf::InstructionSet instruction_set;
  crf::Precision precision;
};

inline std::string NameOf(const CrfVariant& variant) {
  const char* precision = variant.precision == crf::Precision::kAuto     ? "auto"
                          : variant.precision == crf::Precision::kSingle ? "single"
                                                                         : "packed";
  return std::string(crf::NameOf(variant.instruction_set)) + "_" + precision;
}
inline void PrintTo(const CrfVariant& variant, std::ostream* out) { *out << NameOf(variant); }
inline std::string NameOfVariant(const ::testing::TestParamInfo<CrfVariant>& info) {
  return NameOf(info.param);
}

// All that this machine has; only the portable set does not pack.
inline std::vector<CrfVariant> CrfVariants() {
  std::vector<CrfVariant> variants;
  for (const crf::InstructionSet set : crf::AvailableInstructionSets())
    for (const auto precision :
         {crf::Precision::kAuto, crf::Precision::kSingle, crf::Precision::kPacked})
      if (set != crf::InstructionSet::kPortable || precision != crf::Precision::kPacked)
        variants.push_back({set, precision});
  return variants;
}

// A made problem: a photograph of soft patches with noise, and probabilities that follow them only
// roughly. The same on every machine.
struct CrfProblem {
  int labels = 0;
  int height = 0;
  int width = 0;
  std::vector<float> unary;  // [L, H, W]
  std::vector<uint8_t> rgb;  // [H, W, 3]

  size_t pixels() const { return static_cast<size_t>(height) * static_cast<size_t>(width); }
  std::vector<double> UnaryInDouble() const { return {unary.begin(), unary.end()}; }
};

// 0 ≤ value < 1
inline float Uniform(std::mt19937& random) {
  return static_cast<float>(random() >> 8) / static_cast<float>(1 << 24);
}

inline CrfProblem MakeCrfProblem(int labels, int height, int width, uint32_t seed = 1,
                                 uint32_t noise = 40) {
  std::mt19937 random(seed);
  CrfProblem problem{labels, height, width, {}, {}};
  const size_t pixels = problem.pixels();
  const auto patch = [&](size_t p) {
    const auto w = static_cast<size_t>(width);
    return p % w / 6 + 2 * (p / w / 5);
  };
  for (size_t p = 0; p < pixels; ++p)
    for (size_t channel = 0; channel < 3; ++channel)
      problem.rgb.push_back(
          static_cast<uint8_t>(patch(p) * (37 + 30 * channel) % 200 + random() % noise));
  problem.unary.resize(static_cast<size_t>(labels) * pixels);
  for (size_t label = 0; label < static_cast<size_t>(labels); ++label)
    for (size_t p = 0; p < pixels; ++p)
      problem.unary[label * pixels + p] =
          3 * Uniform(random) + (patch(p) % static_cast<size_t>(labels) == label ? 0.0F : 1.0F);
  return problem;
}

inline std::vector<float> MarginalsOf(const crf::DenseCrf& crf) {
  std::vector<float> marginals(static_cast<size_t>(crf.labels() * crf.pixels()));
  crf.Marginals(marginals);
  return marginals;
}

// 0 where both are equal; NaN counts as infinitely different.
template <typename A, typename B>
double LargestDifference(const std::vector<A>& a, const std::vector<B>& b) {
  if (a.size() != b.size()) return HUGE_VAL;
  double largest = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double difference = std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
    if (std::isnan(difference)) return HUGE_VAL;
    if (difference > largest) largest = difference;
  }
  return largest;
}

}  // namespace i2crc::testing
