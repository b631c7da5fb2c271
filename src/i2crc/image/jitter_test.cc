// SPDX-License-Identifier: Apache-2.0
#include "i2crc/image/jitter.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <string>

#include "i2crc/core/random.h"
#include "support/golden_file.h"
#include "support/test_dirs.h"

namespace i2crc {
namespace {

using testing::GoldenFile;
using testing::GoldenTensor;
using testing::SharedPath;

ImageU8 FromGolden(const GoldenTensor& tensor) {
  ImageU8 image(static_cast<int>(tensor.shape.at(0)), static_cast<int>(tensor.shape.at(1)), 3);
  image.values() = tensor.U8();
  return image;
}

using Adjust = std::function<void(ImageU8&)>;

void ExpectGolden(const std::string& name, const Adjust& adjust) {
  const GoldenFile golden(SharedPath("goldens/augment.safetensors"));
  ImageU8 image = FromGolden(golden.at("image"));
  adjust(image);
  const ImageU8 expected = FromGolden(golden.at(name));
  ASSERT_EQ(image.size(), expected.size());
  size_t different = 0;
  int worst = 0;
  for (size_t i = 0; i < image.size(); ++i) {
    const int difference = std::abs(image.values()[i] - expected.values()[i]);
    different += difference != 0 ? 1 : 0;
    worst = std::max(worst, difference);
  }
  EXPECT_EQ(different, 0U) << name << ", by up to " << worst;
}

TEST(JitterGolden, BrightnessIsEqual) {
  I2CRC_NEEDS_SHARED("goldens/augment.safetensors");
  ExpectGolden("brightness_0.7", [](ImageU8& image) { AdjustBrightness(image, 0.7F); });
  ExpectGolden("brightness_1.3", [](ImageU8& image) { AdjustBrightness(image, 1.3F); });
}

TEST(JitterGolden, ContrastIsEqual) {
  I2CRC_NEEDS_SHARED("goldens/augment.safetensors");
  ExpectGolden("contrast_0.7", [](ImageU8& image) { AdjustContrast(image, 0.7F); });
  ExpectGolden("contrast_1.3", [](ImageU8& image) { AdjustContrast(image, 1.3F); });
}

TEST(JitterGolden, SaturationIsEqual) {
  I2CRC_NEEDS_SHARED("goldens/augment.safetensors");
  ExpectGolden("saturation_0.7", [](ImageU8& image) { AdjustSaturation(image, 0.7F); });
  ExpectGolden("saturation_1.3", [](ImageU8& image) { AdjustSaturation(image, 1.3F); });
}

TEST(JitterGolden, HueIsEqual) {
  I2CRC_NEEDS_SHARED("goldens/augment.safetensors");
  ExpectGolden("hue_-0.1", [](ImageU8& image) { AdjustHue(image, -0.1F); });
  ExpectGolden("hue_0.1", [](ImageU8& image) { AdjustHue(image, 0.1F); });
  ExpectGolden("hue_0.037", [](ImageU8& image) { AdjustHue(image, 0.037F); });
}

TEST(JitterGolden, ChainIsEqual) {
  I2CRC_NEEDS_SHARED("goldens/augment.safetensors");
  ExpectGolden("chain brightness 1.21, saturation 0.83, contrast 1.13, hue -0.043",
               [](ImageU8& image) {
                 AdjustBrightness(image, 1.21F);
                 AdjustSaturation(image, 0.83F);
                 AdjustContrast(image, 1.13F);
                 AdjustHue(image, -0.043F);
               });
}

ImageU8 Noise(int height, int width) {
  Random random({3});
  ImageU8 image(height, width, 3);
  for (uint8_t& value : image.values()) value = static_cast<uint8_t>(random.Below(256));
  return image;
}

TEST(Jitter, FactorOneChangesNothing) {
  const ImageU8 before = Noise(13, 7);
  ImageU8 image = before;
  AdjustBrightness(image, 1.0F);
  AdjustContrast(image, 1.0F);
  AdjustSaturation(image, 1.0F);
  EXPECT_TRUE(image == before);
}

TEST(Jitter, BrightnessTruncatesAndClamps) {
  ImageU8 image(1, 2, 3, 101);
  image.at(0, 1, 0) = 200;
  AdjustBrightness(image, 1.3F);
  EXPECT_EQ(image.at(0, 0, 0), 131);  // 131.3
  EXPECT_EQ(image.at(0, 1, 0), 255);  // 260
  AdjustBrightness(image, 0.0F);
  EXPECT_TRUE(image == ImageU8(1, 2, 3, 0));
}

TEST(Jitter, ContrastZeroIsTheMeanGrey) {
  ImageU8 image(1, 2, 3, 10);
  for (int c = 0; c < 3; ++c) image.at(0, 1, c) = 21;
  AdjustContrast(image, 0.0F);
  EXPECT_TRUE(image == ImageU8(1, 2, 3, 16));  // 15.5 rounded up
}

TEST(Jitter, SaturationZeroIsGrey) {
  ImageU8 image = Noise(13, 7);
  AdjustSaturation(image, 0.0F);
  for (size_t i = 0; i < image.size(); i += 3) {
    EXPECT_EQ(image.values()[i], image.values()[i + 1]);
    EXPECT_EQ(image.values()[i], image.values()[i + 2]);
  }
}

TEST(Jitter, HueTurnsPureColours) {
  ImageU8 image(1, 2, 3, 0);
  image.at(0, 0, 0) = 255;                             // red
  for (int c = 0; c < 3; ++c) image.at(0, 1, c) = 77;  // grey has no hue
  AdjustHue(image, 1.0F / 3.0F + 1e-4F);
  EXPECT_EQ(image.at(0, 0, 0), 0);
  EXPECT_EQ(image.at(0, 0, 1), 255);
  EXPECT_EQ(image.at(0, 0, 2), 0);
  for (int c = 0; c < 3; ++c) EXPECT_EQ(image.at(0, 1, c), 77);
}

TEST(Jitter, HueKeepsTheLargestChannel) {
  for (const float shift : {-0.5F, -0.1F, -0.003F, 0.0F, 0.04F, 0.5F}) {
    const ImageU8 before = Noise(31, 17);
    ImageU8 image = before;
    AdjustHue(image, shift);
    for (size_t i = 0; i < image.size(); i += 3)
      EXPECT_EQ(*std::max_element(&image.values()[i], &image.values()[i] + 3),
                *std::max_element(&before.values()[i], &before.values()[i] + 3));
  }
}

// The rules of ALGORITHM.md written down once more, without tables and with the library's fmod.
std::array<int, 3> SlowHue(int r, int g, int b, float shift) {
  const int high = std::max({r, g, b}), low = std::min({r, g, b});
  int hue = 0, saturation = 0;
  if (high != low) {
    const float range = static_cast<float>(high - low);
    const float rc = static_cast<float>(high - r) / range;
    const float gc = static_cast<float>(high - g) / range;
    const float bc = static_cast<float>(high - b) / range;
    const double h = r == high   ? static_cast<double>(bc - gc)
                     : g == high ? 2.0 + static_cast<double>(rc) - static_cast<double>(bc)
                                 : 4.0 + static_cast<double>(gc) - static_cast<double>(rc);
    const float turn =
        static_cast<float>(std::fmod(static_cast<double>(static_cast<float>(h)) / 6.0 + 1.0, 1.0));
    hue = static_cast<int>(static_cast<double>(turn) * 255.0);
    saturation = static_cast<int>(static_cast<double>(range / static_cast<float>(high)) * 255.0);
  }
  hue = ((hue + static_cast<int>(255.0 * static_cast<double>(shift))) % 256 + 256) % 256;
  const int i = static_cast<int>(std::floor(hue * 6.0 / 255.0));
  const float f = static_cast<float>(hue * 6.0 / 255.0 - i);
  const float s = static_cast<float>(saturation / 255.0);
  const auto level = [high](double share) { return static_cast<int>(std::round(high * share)); };
  const int p = level(1.0 - static_cast<double>(s));
  const int q = level(1.0 - static_cast<double>(s * f));
  const int t = level(1.0 - static_cast<double>(s) * (1.0 - static_cast<double>(f)));
  const std::array<std::array<int, 3>, 6> picks = {
      {{high, t, p}, {q, high, p}, {p, high, t}, {p, q, high}, {t, p, high}, {high, p, q}}};
  return picks[static_cast<size_t>(i % 6)];
}

TEST(Jitter, HueEqualsTheSlowForm) {
  for (const float shift : {-0.1F, 0.073F, 0.5F}) {
    const ImageU8 before = Noise(101, 97);
    ImageU8 image = before;
    AdjustHue(image, shift);
    for (size_t i = 0; i < image.size(); i += 3) {
      const uint8_t* from = &before.values()[i];
      const auto expected = SlowHue(from[0], from[1], from[2], shift);
      for (size_t c = 0; c < 3; ++c) ASSERT_EQ(image.values()[i + c], expected[c]) << i;
    }
  }
}

TEST(Jitter, OtherThanRgbIsOurBug) {
  ImageU8 grey(2, 2, 1);
  EXPECT_THROW(AdjustBrightness(grey, 1), InternalError);
  EXPECT_THROW(AdjustContrast(grey, 1), InternalError);
  EXPECT_THROW(AdjustSaturation(grey, 1), InternalError);
  EXPECT_THROW(AdjustHue(grey, 0), InternalError);
  ImageU8 rgb(2, 2, 3);
  EXPECT_THROW(AdjustHue(rgb, 0.7F), InternalError);
}

}  // namespace
}  // namespace i2crc
