// SPDX-License-Identifier: Apache-2.0
#include "i2crc/crf/unary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <functional>
#include <limits>
#include <stdexcept>

#include "support/golden_file.h"
#include "support/test_dirs.h"

namespace i2crc::crf {
namespace {

using ::testing::ElementsAre;
using ::testing::FloatEq;
using ::testing::FloatNear;
using ::testing::HasSubstr;
using ::testing::Pointwise;
using ::testing::StartsWith;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

std::vector<float> Logs(std::initializer_list<double> probabilities) {
  std::vector<float> energies;
  for (const double p : probabilities) energies.push_back(static_cast<float>(-std::log(p)));
  return energies;
}

void ExpectBad(const char* argument, const std::function<void()>& call) {
  try {
    call();
    ADD_FAILURE() << "nothing thrown for a bad " << argument;
  } catch (const std::invalid_argument& error) {
    EXPECT_THAT(error.what(), StartsWith(std::string(argument) + ": "));
  }
}

void ExpectNear(const std::vector<float>& got, const testing::GoldenTensor& golden) {
  const std::vector<float> expected = golden.Floats();
  ASSERT_EQ(got.size(), expected.size());
  for (size_t i = 0; i < got.size(); ++i) {
    EXPECT_NEAR(got[i], expected[i], 1e-6 * std::abs(expected[i])) << "element " << i;
  }
}

TEST(UnaryFromLabels, ZeroIsUnsure) {
  const std::array<int32_t, 4> labels{0, 1, 2, 3};
  EXPECT_THAT(UnaryFromLabels(labels, 3, 0.7),
              Pointwise(FloatEq(), Logs({1.0 / 3, 0.7, 0.15, 0.15,  //
                                         1.0 / 3, 0.15, 0.7, 0.15,  //
                                         1.0 / 3, 0.15, 0.15, 0.7})));
}

TEST(UnaryFromLabels, ZeroIsALabel) {
  const std::array<int32_t, 2> labels{1, 0};
  EXPECT_THAT(UnaryFromLabels(labels, 2, 0.9, false),
              Pointwise(FloatEq(), Logs({0.1, 0.9, 0.9, 0.1})));
}

TEST(UnaryFromLabels, RejectsWhatHasNoEnergy) {
  const std::array<int32_t, 2> labels{0, 3};
  EXPECT_NO_THROW(UnaryFromLabels(labels, 3, 0.5));
  ExpectBad("labels", [&] { UnaryFromLabels(labels, 3, 0.5, false); });
  ExpectBad("labels", [&] { UnaryFromLabels(labels, 2, 0.5); });
  ExpectBad("labels", [&] { UnaryFromLabels(std::array<int32_t, 1>{-1}, 2, 0.5); });
  ExpectBad("planes", [&] { UnaryFromLabels(labels, 1, 0.5); });
  for (const double certainty : {0.0, 1.0, -0.5, double{kNan}}) {
    ExpectBad("certainty", [&] { UnaryFromLabels(labels, 3, certainty); });
  }
}

TEST(UnaryFromSoftmax, ClipsAndScales) {
  const std::array<float, 4> probability{0, 1, 0.25, -0.125};
  EXPECT_THAT(UnaryFromSoftmax(probability, 2), Pointwise(FloatEq(), Logs({1e-5, 1, 0.25, 1e-5})));
  EXPECT_THAT(UnaryFromSoftmax(probability, 2, std::nullopt, 0.5),
              Pointwise(FloatEq(), Logs({0.5, 1, 0.5, 0.5})));
  EXPECT_THAT(UnaryFromSoftmax(probability, 2, 0.5),
              Pointwise(FloatEq(), Logs({0.25, 0.75, 0.375, 0.1875})));
  EXPECT_FALSE(std::signbit(UnaryFromSoftmax(probability, 2)[1]));
}

TEST(UnaryFromSoftmax, WithoutClip) {
  const std::array<double, 3> probability{0, 1, 1e-30};
  const std::vector<float> energy = UnaryFromSoftmax(probability, 3, std::nullopt, std::nullopt);
  EXPECT_THAT(energy, ElementsAre(kInfinity, 0, FloatNear(69.07755F, 1e-5F)));
}

TEST(UnaryFromSoftmax, RejectsWhatHasNoEnergy) {
  const std::array<float, 3> good{0.5F, 0.25F, 0.25F}, nan{0.5F, kNan, 0.5F},
      infinite{0.5F, kInfinity, 0.5F}, negative{0.5F, -0.1F, 0.5F};
  ExpectBad("probability", [&] { UnaryFromSoftmax(good, 2); });
  ExpectBad("probability", [&] { UnaryFromSoftmax(nan, 3); });
  ExpectBad("probability", [&] { UnaryFromSoftmax(infinite, 3); });
  ExpectBad("probability", [&] { UnaryFromSoftmax(negative, 3, std::nullopt, std::nullopt); });
  ExpectBad("planes", [&] { UnaryFromSoftmax(good, 0); });
  for (const double value : {0.0, 1.5, -1.0, double{kNan}}) {
    ExpectBad("scale", [&] { UnaryFromSoftmax(good, 3, value); });
    ExpectBad("clip", [&] { UnaryFromSoftmax(good, 3, std::nullopt, value); });
  }
}

TEST(Features, AxesInTheOrderOfTheShape) {
  const std::array<double, 2> sigma{2, 4};
  const std::array<int64_t, 2> shape{2, 3};
  EXPECT_THAT(GaussianFeatures(sigma, shape),
              ElementsAre(0, 0, 0, 0.5F, 0.5F, 0.5F, 0, 0.25F, 0.5F, 0, 0.25F, 0.5F));
  const std::array<float, 6> grey{0, 10, 20, 30, 40, 50};
  EXPECT_THAT(
      BilateralFeatures(sigma, std::array{10.0}, shape, grey),
      ElementsAre(0, 0, 0, 0.5F, 0.5F, 0.5F, 0, 0.25F, 0.5F, 0, 0.25F, 0.5F, 0, 1, 2, 3, 4, 5));
}

TEST(Features, AnyNumberOfAxes) {
  const std::array<int64_t, 3> shape{2, 1, 2};
  EXPECT_THAT(GaussianFeatures(std::array{1.0, 1.0, 1.0}, shape),
              ElementsAre(0, 0, 1, 1, 0, 0, 0, 0, 0, 1, 0, 1));
  EXPECT_TRUE(GaussianFeatures(std::array{1.0, 1.0}, std::array<int64_t, 2>{0, 7}).empty());
}

TEST(Features, RejectsBadArguments) {
  const std::array<int64_t, 2> shape{2, 2};
  const std::array<double, 2> sigma{1, 1};
  for (const double bad : {0.0, -1.0, double{kNan}, double{kInfinity}}) {
    ExpectBad("sigma", [&] { GaussianFeatures(std::array{1.0, bad}, shape); });
    ExpectBad("sigma_channels",
              [&] { BilateralFeatures(sigma, std::array{bad}, shape, std::array<float, 4>{}); });
  }
  ExpectBad("sigma", [&] { GaussianFeatures(std::array{1.0}, shape); });
  ExpectBad("shape", [&] { GaussianFeatures(sigma, std::array<int64_t, 2>{2, -1}); });
  const int64_t huge = int64_t{1} << 32;
  ExpectBad("shape", [&] { GaussianFeatures(sigma, std::array<int64_t, 2>{huge, huge}); });
  ExpectBad("channels",
            [&] { BilateralFeatures(sigma, std::array{1.0}, shape, std::array<float, 3>{}); });
  ExpectBad("channels", [&] {
    BilateralFeatures(sigma, std::array{1.0}, shape, std::array{0.0F, kNan, 0.0F, 0.0F});
  });
}

// The first 6 rows and 5 columns of the image and of the probability.
std::vector<float> Corner(const std::vector<float>& planes, size_t count, size_t height,
                          size_t width) {
  std::vector<float> corner;
  for (size_t k = 0; k < count; ++k) {
    for (size_t y = 0; y < 6; ++y) {
      for (size_t x = 0; x < 5; ++x) corner.push_back(planes[(k * height + y) * width + x]);
    }
  }
  return corner;
}

TEST(UnaryGoldens, Unaries) {
  I2CRC_NEEDS_SHARED("goldens/dense_crf_options.safetensors");
  const testing::GoldenFile golden(testing::SharedPath("goldens/dense_crf_options.safetensors"));
  std::vector<int32_t> labels;
  for (const double label : golden.at("utils.labels").Values()) {
    labels.push_back(static_cast<int32_t>(label));
  }
  ExpectNear(UnaryFromLabels(labels, 3, 0.7), golden.at("utils.unary_from_labels"));
  ExpectNear(UnaryFromLabels(labels, 4, 0.6, false),
             golden.at("utils.unary_from_labels_no_unsure"));
  const auto softmax = Corner(golden.at("probability_hard").Floats(), 4, 60, 80);
  ExpectNear(UnaryFromSoftmax(std::span<const float>(softmax), 4),
             golden.at("utils.unary_from_softmax"));
  ExpectNear(UnaryFromSoftmax(std::span<const float>(softmax), 4, 0.7),
             golden.at("utils.unary_from_softmax_scale"));
}

TEST(UnaryGoldens, Features) {
  I2CRC_NEEDS_SHARED("goldens/dense_crf_options.safetensors");
  const testing::GoldenFile golden(testing::SharedPath("goldens/dense_crf_options.safetensors"));
  const std::vector<uint8_t> image = golden.at("image").U8();
  std::vector<float> planes(3 * 60 * 80);
  for (size_t i = 0; i < image.size(); ++i) planes[i % 3 * 60 * 80 + i / 3] = image[i];
  const std::vector<float> corner = Corner(planes, 3, 60, 80);
  const std::array<int64_t, 2> shape{6, 5};
  const std::array<double, 2> sigma{2, 3};
  ExpectNear(GaussianFeatures(std::array{3.0, 4.0}, shape),
             golden.at("utils.create_pairwise_gaussian"));
  ExpectNear(BilateralFeatures(sigma, std::array{5.0, 10.0, 20.0}, shape, corner),
             golden.at("utils.create_pairwise_bilateral"));
  ExpectNear(
      BilateralFeatures(sigma, std::array{7.0}, shape, std::span<const float>(corner).first(30)),
      golden.at("utils.create_pairwise_bilateral_grey"));
}

}  // namespace
}  // namespace i2crc::crf
