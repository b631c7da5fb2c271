// SPDX-License-Identifier: Apache-2.0
#include "i2crc/losses/segmentation_loss.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <vector>

#include "i2crc/core/random.h"
#include "i2crc/image/resize.h"
#include "i2crc/weights/tensor_file.h"
#include "support/test_dirs.h"

namespace i2crc {
namespace {

TEST(CrossEntropy, OfEqualLogitsIsTheLogarithmOfTheirNumber) {
  std::vector<float> logits(2 * 5 * 6, 3.0F), gradient(logits.size());
  std::vector<uint8_t> labels(2 * 6, 4);
  EXPECT_NEAR(CrossEntropy(logits, labels, 2, 5, 2, 3, 1.0, gradient), std::log(5.0), 1e-12);
}

TEST(CrossEntropy, IgnoredPixelsCountNothing) {
  Random random({1});
  std::vector<float> logits(3 * 4), gradient(logits.size());
  for (float& v : logits) v = static_cast<float>(random.Normal());
  std::vector<uint8_t> labels = {0, 255, 2, 255};
  const double loss = CrossEntropy(logits, labels, 1, 3, 2, 2, 1.0, gradient);
  for (size_t c = 0; c < 3; ++c) {
    EXPECT_EQ(gradient[c * 4 + 1], 0.0F);
    logits[c * 4 + 3] += 100.0F * static_cast<float>(c);
  }
  EXPECT_EQ(CrossEntropy(logits, labels, 1, 3, 2, 2, 1.0, gradient), loss);
}

TEST(CrossEntropy, WithoutAnyValidPixelIsZeroAndHasNoGradient) {
  std::vector<float> logits(3 * 4, 1.0F), gradient(logits.size(), 7.0F);
  const std::vector<uint8_t> labels(4, 255);
  EXPECT_EQ(CrossEntropy(logits, labels, 1, 3, 2, 2, 1.0, gradient), 0.0);
  EXPECT_EQ(std::accumulate(gradient.begin(), gradient.end(), 0.0F), 0.0F);
}

TEST(CrossEntropy, OneOfTheTagsIsTheirSum) {
  // Two pixels of one image with labels 0, 1, 2, 3 and tags 1 and 3.
  const std::vector<float> logits = {0, 1, 2, -1, -3, 0.5F, 1, 0};
  std::vector<float> gradient(logits.size());
  const std::vector<uint8_t> tags = {0, 1, 0, 1};
  const std::vector<uint8_t> labels = {kAnyTagLabel, kTagOrBackgroundLabel};
  const auto p = [&](size_t label, size_t pixel) {
    double sum = 0;
    for (size_t l = 0; l < 4; ++l) sum += std::exp(double{logits[l * 2 + pixel]});
    return std::exp(double{logits[label * 2 + pixel]}) / sum;
  };
  const double loss = CrossEntropy(logits, labels, 1, 4, 1, 2, 1.0, gradient, tags);
  const double one = p(1, 0) + p(3, 0), other = p(0, 1) + p(1, 1) + p(3, 1);
  EXPECT_NEAR(loss, -(std::log(one) + std::log(other)) / 2, 1e-12);
  EXPECT_NEAR(gradient[2 * 1 + 0], (p(1, 0) - p(1, 0) / one) / 2, 1e-7);
  EXPECT_NEAR(gradient[2 * 2 + 0], p(2, 0) / 2, 1e-7);
  EXPECT_NEAR(gradient[2 * 2 + 1], p(2, 1) / 2, 1e-7);
}

TEST(CrossEntropy, LogitsThatAreNoNumbersAreNoLoss) {
  const std::vector<float> logits(3 * 4, std::nanf(""));
  std::vector<float> gradient(logits.size());
  const std::vector<uint8_t> labels = {0, 1, 2, 255};
  EXPECT_TRUE(std::isnan(CrossEntropy(logits, labels, 1, 3, 2, 2, 1.0, gradient)));
}

TEST(CrossEntropy, WithTagsCertainLabelsAreWhatTheyWere) {
  Random random({3});
  std::vector<float> logits(2 * 4 * 6), gradient(logits.size()), with_tags(logits.size());
  for (float& v : logits) v = static_cast<float>(30 * random.Normal());
  const std::vector<uint8_t> labels = {0, 1, 2, 3, 255, 1, 0, 0, 3, 255, 2, 2};
  const std::vector<uint8_t> tags = {0, 1, 1, 1, 0, 1, 1, 1};
  EXPECT_EQ(CrossEntropy(logits, labels, 2, 4, 3, 2, 1.0, gradient),
            CrossEntropy(logits, labels, 2, 4, 3, 2, 1.0, with_tags, tags));
  EXPECT_EQ(gradient, with_tags);
}

TEST(CrossEntropy, GradientIsTheNumericalOne) {
  Random random({2});
  std::vector<float> logits(2 * 4 * 3 * 2), gradient(logits.size()), ignored(logits.size());
  for (float& v : logits) v = static_cast<float>(2 * random.Normal());
  std::vector<uint8_t> labels = {0, 1, 2, 3, 255, 1, 0, 0, 3, 255, 2, 2};
  CrossEntropy(logits, labels, 2, 4, 3, 2, 0.5, gradient);
  for (size_t i = 0; i < logits.size(); ++i) {
    const float kept = logits[i];
    logits[i] = kept + 0.0078125F;
    const double above = CrossEntropy(logits, labels, 2, 4, 3, 2, 1.0, ignored);
    logits[i] = kept - 0.0078125F;
    const double below = CrossEntropy(logits, labels, 2, 4, 3, 2, 1.0, ignored);
    logits[i] = kept;
    EXPECT_NEAR(gradient[i], 0.5 * (above - below) / 0.015625, 2e-6);
  }
}

TEST(CrossEntropy, ALabelBeyondTheNetworksIsAnError) {
  std::vector<float> logits(3), gradient(3);
  const std::vector<uint8_t> labels = {3};
  EXPECT_THROW(CrossEntropy(logits, labels, 1, 3, 1, 1, 1.0, gradient), Error);
}

TEST(CrossEntropy, GoldensOfTheReference) {
  I2CRC_NEEDS_SHARED("goldens/segmentation_loss.safetensors");
  const TensorMap golden =
      ReadTensorFile(testing::SharedPath("goldens/segmentation_loss.safetensors"));
  double sum = 0;
  for (int level = 0; level < 4; ++level) {
    const std::string suffix = "_" + std::to_string(level);
    const Tensor& logits = *golden.Find("logits" + suffix);
    const Tensor& shrunk = *golden.Find("labels" + suffix);
    const Tensor& whole = *golden.Find("labels");
    const int images = static_cast<int>(logits.shape[0]), count = static_cast<int>(logits.shape[1]);
    const int height = static_cast<int>(logits.shape[2]), width = static_cast<int>(logits.shape[3]);

    std::vector<uint8_t> labels;
    for (int n = 0; n < images; ++n) {
      const int h = static_cast<int>(whole.shape[1]), w = static_cast<int>(whole.shape[2]);
      ImageU8 image(h, w, 1);
      const auto bytes = whole.As<uint8_t>().subspan(static_cast<size_t>(n * h * w), image.size());
      image.values().assign(bytes.begin(), bytes.end());
      const ImageU8 small = ResizePillowNearest(image, height, width);
      labels.insert(labels.end(), small.values().begin(), small.values().end());
    }
    const auto expected = shrunk.As<uint8_t>();
    EXPECT_TRUE(std::equal(labels.begin(), labels.end(), expected.begin(), expected.end()));

    std::vector<float> gradient(static_cast<size_t>(logits.elements()));
    const double loss =
        CrossEntropy(logits.ToF32(), labels, images, count, height, width, 1.0, gradient);
    const double truth = golden.Find("loss" + suffix)->As<double>()[0];
    EXPECT_NEAR(loss, truth, 1e-5 * truth);
    sum += loss;
    const auto grad = golden.Find("grad" + suffix)->ToF32();
    float largest = 0;
    for (float v : grad) largest = std::max(largest, std::abs(v));
    for (size_t i = 0; i < grad.size(); ++i) ASSERT_NEAR(gradient[i], grad[i], 1e-5F * largest);
  }
  EXPECT_NEAR(sum, golden.Find("loss")->As<double>()[0], 1e-5 * sum);
}

}  // namespace
}  // namespace i2crc
