// SPDX-License-Identifier: Apache-2.0
#include "i2crc/crf/c_api.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <climits>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "i2crc/crf/dense_crf.h"
#include "i2crc/threads/few_threads.h"

extern "C" int i2crc_crf_user_in_c(int32_t labels[12], float marginals[24], double divergence[6]);

namespace i2crc::crf {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr int kLabels = 3;
constexpr int kHeight = 9;
constexpr int kWidth = 14;
constexpr size_t kPixels = size_t{kHeight} * kWidth;
constexpr size_t kValues = kLabels * kPixels;
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

// An object with a problem that has all that an inference needs but its terms.
class CApiTest : public ::testing::Test {
 protected:
  CApiTest() : energy_(kValues), rgb_(3 * kPixels), features_(2 * kPixels) {
    for (size_t i = 0; i < energy_.size(); ++i) energy_[i] = 0.1F * static_cast<float>(i * 37 % 29);
    for (size_t i = 0; i < rgb_.size(); ++i) rgb_[i] = static_cast<uint8_t>(i * 53 % 256);
    for (size_t i = 0; i < features_.size(); ++i)
      features_[i] = 0.05F * static_cast<float>(i * 11 % 97);
    EXPECT_EQ(i2crc_crf_create(nullptr, &crf_), I2CRC_CRF_OK);
    EXPECT_EQ(i2crc_crf_reset(crf_, kLabels, kHeight, kWidth), I2CRC_CRF_OK);
    EXPECT_EQ(i2crc_crf_set_unary(crf_, energy_.data(), energy_.size()), I2CRC_CRF_OK);
  }
  ~CApiTest() override { EXPECT_EQ(i2crc_crf_destroy(crf_), I2CRC_CRF_OK); }

  std::vector<float> Marginals() const {
    std::vector<float> marginals(kValues);
    EXPECT_EQ(i2crc_crf_marginals(crf_, marginals.data(), marginals.size()), I2CRC_CRF_OK);
    return marginals;
  }
  int AddGaussian(float sigma_x, float sigma_y, int normalization = I2CRC_CRF_NORMALIZE_SYMMETRIC) {
    return i2crc_crf_add_gaussian(crf_, sigma_x, sigma_y, &potts_, normalization);
  }
  int AddBilateral(const std::array<float, 3>& sigma_rgb) {
    return i2crc_crf_add_bilateral(crf_, 9, 7, sigma_rgb.data(), rgb_.data(), rgb_.size(), &potts_,
                                   I2CRC_CRF_NORMALIZE_SYMMETRIC);
  }

  // The call failed for its arguments, and the message begins with the argument's name.
  static void ExpectInvalid(int status, const std::string& message) {
    EXPECT_EQ(status, I2CRC_CRF_INVALID_ARGUMENT) << message;
    EXPECT_THAT(i2crc_crf_last_error(), StartsWith(message));
  }

  I2crcCrf* crf_ = nullptr;
  std::vector<float> energy_;
  std::vector<uint8_t> rgb_;
  std::vector<float> features_;
  const float weight_ = 3;
  const I2crcCrfCompatibility potts_ = {I2CRC_CRF_POTTS, &weight_, 1};
};

TEST(CApi, ServesAProgramInC) {
  std::array<int32_t, 12> labels = {};
  std::array<float, 24> marginals = {};
  std::array<double, 6> divergence = {};
  ASSERT_EQ(i2crc_crf_user_in_c(labels.data(), marginals.data(), divergence.data()), I2CRC_CRF_OK)
      << i2crc_crf_last_error();
  for (size_t i = 0; i < 12; ++i) {
    EXPECT_EQ(labels[i], i % 4 >= 2 ? 1 : 0) << i;
    EXPECT_NEAR(marginals[i] + marginals[12 + i], 1, 1e-5);
  }
  EXPECT_LT(divergence[5], divergence[0]);
}

TEST_F(CApiTest, EveryTermGivesWhatTheClassGives) {
  const std::vector<float> diagonal = {-1, -2, -3};
  const std::vector<float> matrix = {-2, 0.5F, 0, 0.25F, -1, 0.125F, 0, 0, -3};
  const I2crcCrfCompatibility per_label = {I2CRC_CRF_PER_LABEL, diagonal.data(), diagonal.size()};
  const I2crcCrfCompatibility full = {I2CRC_CRF_MATRIX, matrix.data(), matrix.size()};
  const std::array<float, 3> sigma_rgb = {11, 13, 17};
  ASSERT_EQ(AddGaussian(2, 1.5F, I2CRC_CRF_NORMALIZE_BEFORE), I2CRC_CRF_OK);
  ASSERT_EQ(i2crc_crf_add_bilateral(crf_, 9, 7, sigma_rgb.data(), rgb_.data(), rgb_.size(),
                                    &per_label, I2CRC_CRF_NORMALIZE_AFTER),
            I2CRC_CRF_OK);
  ASSERT_EQ(i2crc_crf_add_features(crf_, features_.data(), features_.size(), 2, &full,
                                   I2CRC_CRF_NORMALIZE_NONE),
            I2CRC_CRF_OK);
  std::vector<double> divergence(5);
  ASSERT_EQ(i2crc_crf_infer_with_divergence(crf_, 4, divergence.data(), divergence.size()),
            I2CRC_CRF_OK);

  DenseCrf crf;
  crf.Reset(kLabels, kHeight, kWidth);
  crf.SetUnary(energy_);
  crf.AddGaussian(2, 1.5F, Compatibility::Potts(weight_), Normalization::kBefore);
  crf.AddBilateral(9, 7, sigma_rgb, rgb_, Compatibility::PerLabel(diagonal), Normalization::kAfter);
  crf.AddFeatures(features_, 2, Compatibility::Matrix(matrix), Normalization::kNone);
  EXPECT_EQ(crf.InferWithDivergence(4), divergence);
  std::vector<float> marginals(kValues);
  crf.Marginals(marginals);
  EXPECT_EQ(Marginals(), marginals);
  std::vector<int32_t> labels(kPixels), expected(kPixels);
  crf.ArgMax(expected);
  EXPECT_EQ(i2crc_crf_argmax(crf_, labels.data(), labels.size()), I2CRC_CRF_OK);
  EXPECT_EQ(labels, expected);
}

TEST_F(CApiTest, StepsAreTheIterations) {
  ASSERT_EQ(AddGaussian(2, 2), I2CRC_CRF_OK);
  ASSERT_EQ(i2crc_crf_infer(crf_, 3), I2CRC_CRF_OK);
  const std::vector<float> at_once = Marginals();
  double before = 0, after = 0;
  ASSERT_EQ(i2crc_crf_start(crf_), I2CRC_CRF_OK);
  ASSERT_EQ(i2crc_crf_divergence(crf_, &before), I2CRC_CRF_OK);
  const std::vector<float> first = Marginals();
  for (int i = 0; i < 3; ++i) ASSERT_EQ(i2crc_crf_step(crf_), I2CRC_CRF_OK);
  ASSERT_EQ(i2crc_crf_divergence(crf_, &after), I2CRC_CRF_OK);
  EXPECT_LT(after, before);
  for (size_t i = 0; i < kValues; ++i) ASSERT_NEAR(Marginals()[i], at_once[i], 1e-5) << i;
  // From marginals of the caller's: the first again.
  ASSERT_EQ(i2crc_crf_set_marginals(crf_, first.data(), first.size()), I2CRC_CRF_OK);
  for (int i = 0; i < 3; ++i) ASSERT_EQ(i2crc_crf_step(crf_), I2CRC_CRF_OK);
  for (size_t i = 0; i < kValues; ++i) ASSERT_NEAR(Marginals()[i], at_once[i], 1e-5) << i;
}

TEST_F(CApiTest, PresetsAreTheFieldsSettings) {
  const std::array presets = {Preset::kDeeplab, Preset::kPsa, Preset::kIrn};
  for (int preset = 0; preset < 3; ++preset) {
    ASSERT_EQ(i2crc_crf_reset(crf_, kLabels, kHeight, kWidth), I2CRC_CRF_OK);
    ASSERT_EQ(i2crc_crf_set_unary(crf_, energy_.data(), energy_.size()), I2CRC_CRF_OK);
    int iterations = 0;
    ASSERT_EQ(i2crc_crf_add_preset(crf_, preset, rgb_.data(), rgb_.size(), &iterations),
              I2CRC_CRF_OK);
    EXPECT_EQ(iterations, 10);
    ASSERT_EQ(i2crc_crf_infer(crf_, iterations), I2CRC_CRF_OK);
    DenseCrf crf;
    crf.Reset(kLabels, kHeight, kWidth);
    crf.SetUnary(energy_);
    AddTerms(crf, SettingsOf(presets[static_cast<size_t>(preset)]), rgb_);
    crf.Infer(10);
    std::vector<float> expected(kValues);
    crf.Marginals(expected);
    EXPECT_EQ(Marginals(), expected) << preset;
  }
  ExpectInvalid(i2crc_crf_add_preset(crf_, 3, rgb_.data(), rgb_.size(), nullptr),
                "preset: 3, expected 0 to 2");
  ExpectInvalid(i2crc_crf_add_preset(crf_, 0, rgb_.data(), 5, nullptr), "rgb: 5 values");
}

TEST_F(CApiTest, ProbabilitiesAreClipped) {
  std::vector<float> probability(kValues, 0);
  for (size_t i = 0; i < kPixels; ++i) probability[i] = 1;
  ASSERT_EQ(i2crc_crf_set_probability(crf_, probability.data(), probability.size(), 0.25F),
            I2CRC_CRF_OK);
  ASSERT_EQ(i2crc_crf_infer(crf_, 0), I2CRC_CRF_OK);
  EXPECT_NEAR(Marginals()[0], 1 / 1.5, 1e-5);
  EXPECT_NEAR(Marginals()[kPixels], 0.25 / 1.5, 1e-5);
}

TEST_F(CApiTest, OptionsReachTheObject) {
  for (const int instruction_set : {I2CRC_CRF_BEST_INSTRUCTIONS, I2CRC_CRF_PORTABLE})
    for (const int precision : {I2CRC_CRF_PRECISION_AUTO, I2CRC_CRF_PRECISION_SINGLE}) {
      const I2crcCrfOptions options = {0, precision, instruction_set};
      I2crcCrf* crf = nullptr;
      ASSERT_EQ(i2crc_crf_create(&options, &crf), I2CRC_CRF_OK) << i2crc_crf_last_error();
      EXPECT_EQ(i2crc_crf_destroy(crf), I2CRC_CRF_OK);
    }
  I2crcCrf* crf = nullptr;
  I2crcCrfOptions options = {-1, 0, 0};
  ExpectInvalid(i2crc_crf_create(&options, &crf), "threads: -1");
  options.threads = 1025;
  ExpectInvalid(i2crc_crf_create(&options, &crf), "threads: 1025, expected 0 to 1024");
  options = {1, 3, 0};
  ExpectInvalid(i2crc_crf_create(&options, &crf), "precision: 3, expected 0 to 2");
  options = {1, 0, -1};
  ExpectInvalid(i2crc_crf_create(&options, &crf), "instruction_set: -1, expected 0 to 3");
  // Packed numbers need the other instruction sets.
  options = {1, I2CRC_CRF_PRECISION_PACKED, I2CRC_CRF_PORTABLE};
  ExpectInvalid(i2crc_crf_create(&options, &crf), "precision: ");
  EXPECT_EQ(crf, nullptr);
}

TEST_F(CApiTest, NullIsAnError) {
  int number = 0;
  double divergence = 0;
  std::vector<float> values(kValues);
  std::vector<int32_t> labels(kPixels);
  ExpectInvalid(i2crc_crf_create(nullptr, nullptr), "crf: NULL");
  EXPECT_EQ(i2crc_crf_destroy(nullptr), I2CRC_CRF_OK);
  ExpectInvalid(i2crc_crf_reset(nullptr, 1, 1, 1), "crf: NULL");
  ExpectInvalid(i2crc_crf_size(nullptr, &number, &number, &number), "crf: NULL");
  ExpectInvalid(i2crc_crf_size(crf_, nullptr, &number, &number), "labels: NULL");
  ExpectInvalid(i2crc_crf_size(crf_, &number, nullptr, &number), "height: NULL");
  ExpectInvalid(i2crc_crf_size(crf_, &number, &number, nullptr), "width: NULL");
  ExpectInvalid(i2crc_crf_set_unary(nullptr, values.data(), kValues), "crf: NULL");
  ExpectInvalid(i2crc_crf_set_unary(crf_, nullptr, kValues), "energy: NULL");
  ExpectInvalid(i2crc_crf_set_probability(crf_, nullptr, kValues, 0.1F), "probability: NULL");
  ExpectInvalid(i2crc_crf_add_gaussian(crf_, 1, 1, nullptr, 3), "compatibility: NULL");
  const I2crcCrfCompatibility nothing = {I2CRC_CRF_POTTS, nullptr, 1};
  ExpectInvalid(i2crc_crf_add_gaussian(crf_, 1, 1, &nothing, 3), "compatibility values: NULL");
  ExpectInvalid(i2crc_crf_add_bilateral(crf_, 1, 1, nullptr, rgb_.data(), rgb_.size(), &potts_, 3),
                "sigma_rgb: NULL");
  const std::array<float, 3> sigma_rgb = {1, 1, 1};
  ExpectInvalid(
      i2crc_crf_add_bilateral(crf_, 1, 1, sigma_rgb.data(), nullptr, rgb_.size(), &potts_, 3),
      "rgb: NULL");
  ExpectInvalid(i2crc_crf_add_features(crf_, nullptr, 2 * kPixels, 2, &potts_, 3),
                "features: NULL");
  ExpectInvalid(i2crc_crf_add_preset(crf_, 0, nullptr, 3 * kPixels, &number), "rgb: NULL");
  ExpectInvalid(i2crc_crf_infer(nullptr, 1), "crf: NULL");
  ExpectInvalid(i2crc_crf_infer_with_divergence(crf_, 1, nullptr, 2), "divergence: NULL");
  ExpectInvalid(i2crc_crf_start(nullptr), "crf: NULL");
  ExpectInvalid(i2crc_crf_step(nullptr), "crf: NULL");
  ExpectInvalid(i2crc_crf_set_marginals(crf_, nullptr, kValues), "marginals: NULL");
  ExpectInvalid(i2crc_crf_divergence(crf_, nullptr), "divergence: NULL");
  ExpectInvalid(i2crc_crf_divergence(nullptr, &divergence), "crf: NULL");
  ExpectInvalid(i2crc_crf_marginals(crf_, nullptr, kValues), "marginals: NULL");
  ExpectInvalid(i2crc_crf_marginals(nullptr, values.data(), kValues), "crf: NULL");
  ExpectInvalid(i2crc_crf_argmax(crf_, nullptr, kPixels), "labels: NULL");
  ExpectInvalid(i2crc_crf_argmax(nullptr, labels.data(), kPixels), "crf: NULL");
}

TEST_F(CApiTest, WrongSizesAreErrors) {
  std::vector<float> values(kValues + 1);
  std::vector<double> divergence(3);
  std::vector<int32_t> labels(kPixels);
  ASSERT_EQ(i2crc_crf_infer(crf_, 1), I2CRC_CRF_OK);
  ExpectInvalid(i2crc_crf_set_unary(crf_, values.data(), kValues - 1), "energy: ");
  ExpectInvalid(i2crc_crf_set_unary(crf_, nullptr, 0), "energy: ");
  ExpectInvalid(i2crc_crf_set_probability(crf_, values.data(), kValues + 1, 0.1F), "probability: ");
  const std::array<float, 3> sigma_rgb = {1, 1, 1};
  ExpectInvalid(i2crc_crf_add_bilateral(crf_, 1, 1, sigma_rgb.data(), rgb_.data(), kPixels, &potts_,
                                        I2CRC_CRF_NORMALIZE_SYMMETRIC),
                "rgb: ");
  ExpectInvalid(i2crc_crf_add_features(crf_, features_.data(), features_.size(), 3, &potts_, 3),
                "features: ");
  ExpectInvalid(i2crc_crf_add_features(crf_, features_.data(), features_.size(), 0, &potts_, 3),
                "dims: ");
  ExpectInvalid(i2crc_crf_add_features(crf_, features_.data(), features_.size(), 33, &potts_, 3),
                "dims: ");
  ExpectInvalid(i2crc_crf_infer_with_divergence(crf_, 3, divergence.data(), 3),
                "divergence count: 3");
  ExpectInvalid(i2crc_crf_set_marginals(crf_, values.data(), 1), "marginals: ");
  ExpectInvalid(i2crc_crf_marginals(crf_, values.data(), kValues + 1), "marginals: ");
  ExpectInvalid(i2crc_crf_argmax(crf_, labels.data(), kPixels - 1), "labels: ");
  const I2crcCrfCompatibility two = {I2CRC_CRF_POTTS, values.data(), 2};
  ExpectInvalid(i2crc_crf_add_gaussian(crf_, 1, 1, &two, 3), "compatibility count: 2");
  const I2crcCrfCompatibility vector = {I2CRC_CRF_PER_LABEL, values.data(), kLabels + 1};
  ExpectInvalid(i2crc_crf_add_gaussian(crf_, 1, 1, &vector, 3), "compat");
  const I2crcCrfCompatibility matrix = {I2CRC_CRF_MATRIX, values.data(), kLabels};
  ExpectInvalid(i2crc_crf_add_gaussian(crf_, 1, 1, &matrix, 3), "compat");
}

TEST_F(CApiTest, SizesThatOverflowAreErrors) {
  ExpectInvalid(i2crc_crf_reset(crf_, INT_MAX, 1, 1), "labels: ");
  ExpectInvalid(i2crc_crf_reset(crf_, 2, INT_MAX, INT_MAX), "height and width: ");
  ExpectInvalid(i2crc_crf_reset(crf_, 1 << 16, 1 << 13, 1 << 13), "labels: ");
  ExpectInvalid(i2crc_crf_reset(crf_, 0, 1, 1), "labels: ");
  ExpectInvalid(i2crc_crf_reset(crf_, 1, -1, -1), "height: ");
  // The problem before them stands.
  int labels = 0, height = 0, width = 0;
  ASSERT_EQ(i2crc_crf_size(crf_, &labels, &height, &width), I2CRC_CRF_OK);
  EXPECT_EQ(labels, kLabels);
  EXPECT_EQ(height, kHeight);
  EXPECT_EQ(width, kWidth);
  ASSERT_EQ(AddGaussian(1, 1), I2CRC_CRF_OK);
  EXPECT_EQ(i2crc_crf_infer(crf_, 1), I2CRC_CRF_OK);
}

TEST_F(CApiTest, BadNumbersAreErrors) {
  for (const float sigma : {0.0F, -1.0F, kNan, kInfinity}) {
    ExpectInvalid(AddGaussian(sigma, 1), "sigma_x: ");
    ExpectInvalid(AddGaussian(1, sigma), "sigma_y: ");
    ExpectInvalid(AddBilateral({1, sigma, 1}), "sigma_rgb: ");
  }
  for (const float weight : {kNan, kInfinity}) {
    const I2crcCrfCompatibility potts = {I2CRC_CRF_POTTS, &weight, 1};
    ExpectInvalid(i2crc_crf_add_gaussian(crf_, 1, 1, &potts, 3), "compat");
  }
  ExpectInvalid(AddGaussian(1, 1, 4), "normalization: 4, expected 0 to 3");
  ExpectInvalid(AddGaussian(1, 1, -1), "normalization: -1");
  const I2crcCrfCompatibility unknown = {3, &weight_, 1};
  ExpectInvalid(i2crc_crf_add_gaussian(crf_, 1, 1, &unknown, 3), "compatibility kind: 3");
  std::vector<float> values = energy_;
  values[5] = kNan;
  ExpectInvalid(i2crc_crf_set_unary(crf_, values.data(), kValues), "energy: ");
  ExpectInvalid(i2crc_crf_set_probability(crf_, values.data(), kValues, 0.1F), "probability: ");
  values[5] = -0.5F;
  ExpectInvalid(i2crc_crf_set_probability(crf_, values.data(), kValues, 0.1F), "probability: ");
  ExpectInvalid(i2crc_crf_set_marginals(crf_, values.data(), kValues), "marginals: ");
  for (const float clip : {0.0F, -0.1F, 1.5F, kNan})
    ExpectInvalid(i2crc_crf_set_probability(crf_, energy_.data(), kValues, clip), "clip: ");
  features_[3] = kInfinity;
  ExpectInvalid(i2crc_crf_add_features(crf_, features_.data(), features_.size(), 2, &potts_, 3),
                "features: ");
  ExpectInvalid(i2crc_crf_infer(crf_, -1), "iterations: ");
}

TEST_F(CApiTest, OutOfOrderIsAnError) {
  std::vector<float> values(kValues);
  double divergence = 0;
  EXPECT_EQ(i2crc_crf_step(crf_), I2CRC_CRF_OUT_OF_ORDER);
  EXPECT_EQ(i2crc_crf_divergence(crf_, &divergence), I2CRC_CRF_OUT_OF_ORDER);
  EXPECT_EQ(i2crc_crf_marginals(crf_, values.data(), kValues), I2CRC_CRF_OUT_OF_ORDER);
  I2crcCrf* fresh = nullptr;
  ASSERT_EQ(i2crc_crf_create(nullptr, &fresh), I2CRC_CRF_OK);
  int labels = 7, height = 7, width = 7;
  EXPECT_EQ(i2crc_crf_size(fresh, &labels, &height, &width), I2CRC_CRF_OK);
  EXPECT_EQ(labels + height + width, 0);
  EXPECT_EQ(i2crc_crf_set_unary(fresh, values.data(), kValues), I2CRC_CRF_OUT_OF_ORDER);
  EXPECT_THAT(i2crc_crf_last_error(), HasSubstr("Reset"));
  EXPECT_EQ(i2crc_crf_add_gaussian(fresh, 1, 1, &potts_, 3), I2CRC_CRF_OUT_OF_ORDER);
  EXPECT_EQ(i2crc_crf_add_preset(fresh, 0, rgb_.data(), 5, nullptr), I2CRC_CRF_OUT_OF_ORDER);
  EXPECT_EQ(i2crc_crf_infer(fresh, 1), I2CRC_CRF_OUT_OF_ORDER);
  EXPECT_EQ(i2crc_crf_argmax(fresh, nullptr, 0), I2CRC_CRF_OUT_OF_ORDER);
  EXPECT_EQ(i2crc_crf_destroy(fresh), I2CRC_CRF_OK);
}

TEST_F(CApiTest, WorksWithTheThreadsThatCanBeStarted) {
  ASSERT_EQ(AddGaussian(3, 3), I2CRC_CRF_OK);
  ASSERT_EQ(i2crc_crf_infer(crf_, 3), I2CRC_CRF_OK);
  const std::vector<float> expected = Marginals();
  ASSERT_EQ(i2crc_crf_destroy(crf_), I2CRC_CRF_OK);
  const testing::FewThreads few(1);
  const I2crcCrfOptions options = {1024, 0, 0};
  ASSERT_EQ(i2crc_crf_create(&options, &crf_), I2CRC_CRF_OK);
  ASSERT_EQ(i2crc_crf_reset(crf_, kLabels, kHeight, kWidth), I2CRC_CRF_OK);
  ASSERT_EQ(i2crc_crf_set_unary(crf_, energy_.data(), energy_.size()), I2CRC_CRF_OK);
  ASSERT_EQ(AddGaussian(3, 3), I2CRC_CRF_OK);
  ASSERT_EQ(i2crc_crf_infer(crf_, 3), I2CRC_CRF_OK);
  EXPECT_TRUE(Marginals() == expected);
}

TEST_F(CApiTest, ErrorsAreTheThreadsOwn) {
  ExpectInvalid(AddGaussian(-1, 1), "sigma_x: ");
  std::thread([] {
    EXPECT_STREQ(i2crc_crf_last_error(), "");
    EXPECT_EQ(i2crc_crf_infer(nullptr, 1), I2CRC_CRF_INVALID_ARGUMENT);
    EXPECT_STREQ(i2crc_crf_last_error(), "crf: NULL");
  }).join();
  // Success does not wipe it away.
  ASSERT_EQ(AddGaussian(1, 1), I2CRC_CRF_OK);
  EXPECT_THAT(i2crc_crf_last_error(), StartsWith("sigma_x: "));
}

}  // namespace
}  // namespace i2crc::crf
