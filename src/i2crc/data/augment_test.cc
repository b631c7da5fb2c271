// SPDX-License-Identifier: Apache-2.0
#include "i2crc/data/augment.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

namespace i2crc {
namespace {

ImageU8 Gradient(int height, int width) {
  ImageU8 rgb(height, width, 3);
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (int c = 0; c < 3; ++c)
        rgb.at(y, x, c) = static_cast<uint8_t>((x * 3 + y * 5 + c * 60) % 256);
  return rgb;
}

TEST(Jitter, DependsOnItsStreamAndIsOffAtZero) {
  const ImageU8 original = Gradient(20, 30);
  auto jittered = [&](uint64_t seed, const JitterOptions& options) {
    ImageU8 image = original;
    Random random({seed});
    Jitter(image, options, random);
    return image;
  };
  EXPECT_EQ(jittered(1, {}), jittered(1, {}));
  EXPECT_NE(jittered(1, {}), jittered(2, {}));
  EXPECT_EQ(jittered(1, {0, 0, 0, 0}), original);
}

TEST(AttentionInput, JitterNeedsAStream) {
  const ImageU8 rgb = Gradient(8, 8);
  const JitterOptions jitter;
  EXPECT_THROW(AttentionInput(rgb, 8, Normalisation::kRgb, &jitter), InternalError);
  Random random({1});
  EXPECT_NO_THROW(AttentionInput(rgb, 8, Normalisation::kRgb, &jitter, &random));
}

TEST(Normalise, MeanBecomesZero) {
  ImageF32 image(1, 1, 3);
  image.values() = {0.485F * 255, 0.456F * 255, 0.406F * 255};
  Normalise(image, Normalisation::kRgb);
  for (const float v : image.values()) EXPECT_NEAR(v, 0, 1e-6);
  image.values() = {122.675F, 116.669F, 114.008F};
  Normalise(image, Normalisation::kBgr);
  EXPECT_NEAR(image.at(0, 0, 0), 10.0, 1e-4);  // blue comes first
  EXPECT_NEAR(image.at(0, 0, 1), 0.0, 1e-4);
  EXPECT_NEAR(image.at(0, 0, 2), 0.0, 1e-4);
}

TEST(AugmentForSegmentation, PadsRightAndBelowWithMeanAndIgnored) {
  const ImageU8 rgb = Gradient(10, 12);
  const ImageU8 mask(10, 12, 1, 3);
  Random random({1});
  const auto sample = AugmentForSegmentation(rgb, mask, {.crop = 16, .scales = {1}, .flip = false},
                                             Normalisation::kRgb, random);
  for (int y = 0; y < 16; ++y)
    for (int x = 0; x < 16; ++x) {
      const bool inside = y < 10 && x < 12;
      EXPECT_EQ(sample.labels.at(y, x), inside ? 3 : 255);
      if (!inside) {
        EXPECT_EQ(sample.image.at(y, x, 1), 0.0F);
      }
    }
}

TEST(AugmentForSegmentation, ImageAndLabelsMoveTogether) {
  // The mask repeats the red channel's class of brightness, so every crop and flip must keep them
  // in step.
  ImageU8 rgb(40, 60, 3);
  ImageU8 mask(40, 60, 1);
  for (int y = 0; y < 40; ++y)
    for (int x = 0; x < 60; ++x) {
      const bool on = (x / 10 + y / 8) % 2 == 0;
      mask.at(y, x) = on ? 7 : 0;
      for (int c = 0; c < 3; ++c) rgb.at(y, x, c) = on ? 250 : 5;
    }
  for (uint64_t seed = 0; seed < 40; ++seed) {
    Random random({seed});
    const auto sample =
        AugmentForSegmentation(rgb, mask, {.crop = 24, .scales = {1}}, Normalisation::kRgb, random);
    for (int y = 0; y < 24; ++y)
      for (int x = 0; x < 24; ++x)
        ASSERT_EQ(sample.labels.at(y, x) == 7, sample.image.at(y, x, 0) > 0) << seed;
  }
}

TEST(AugmentForSegmentation, DrawsEveryScaleAndBothFlips) {
  ImageU8 rgb(20, 20, 3);
  ImageU8 mask(20, 20, 1, 1);
  mask.at(0, 0) = 2;
  std::set<int> valid_counts;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    Random random({seed});
    const auto sample =
        AugmentForSegmentation(rgb, mask, {.crop = 32}, Normalisation::kBgr, random);
    int valid = 0;
    for (const uint8_t v : sample.labels.values()) valid += v != kIgnoreLabel;
    valid_counts.insert(valid);
  }
  EXPECT_EQ(valid_counts, (std::set<int>{100, 225, 400, 625, 900}));
}

}  // namespace
}  // namespace i2crc
