// SPDX-License-Identifier: Apache-2.0
#include "i2crc/image/overlay.h"

#include <gtest/gtest.h>

#include <array>

namespace i2crc {
namespace {

using Colour = std::array<uint8_t, 3>;

Colour At(const ImageU8& rgb, int y, int x) {
  return {rgb.at(y, x, 0), rgb.at(y, x, 1), rgb.at(y, x, 2)};
}

TEST(VocPalette, HasVocsColours) {
  const Palette& palette = VocPalette();
  EXPECT_EQ(palette[0], (Colour{0, 0, 0}));
  EXPECT_EQ(palette[1], (Colour{128, 0, 0}));
  EXPECT_EQ(palette[2], (Colour{0, 128, 0}));
  EXPECT_EQ(palette[3], (Colour{128, 128, 0}));
  EXPECT_EQ(palette[8], (Colour{64, 0, 0}));
  EXPECT_EQ(palette[15], (Colour{192, 128, 128}));
  EXPECT_EQ(palette[20], (Colour{0, 64, 128}));
  EXPECT_EQ(palette[255], (Colour{224, 224, 192}));
}

TEST(VocPalette, ColoursAreDistinct) {
  const Palette& palette = VocPalette();
  for (size_t i = 0; i < 256; ++i)
    for (size_t j = 0; j < i; ++j) EXPECT_NE(palette[i], palette[j]) << i << ' ' << j;
}

TEST(Overlay, BlendsInsideDrawsBordersSolidLeavesBackground) {
  const ImageU8 photograph(7, 7, 3, 100);
  ImageU8 mask(7, 7, 1, 0);
  for (int y = 1; y <= 5; ++y)
    for (int x = 1; x <= 5; ++x) mask.at(y, x) = 1;
  const ImageU8 out = Overlay(photograph, mask, VocPalette(), 0.25F);
  EXPECT_EQ(At(out, 0, 3), (Colour{100, 100, 100}));
  EXPECT_EQ(At(out, 1, 3), (Colour{128, 0, 0}));
  EXPECT_EQ(At(out, 3, 5), (Colour{128, 0, 0}));
  EXPECT_EQ(At(out, 3, 3), (Colour{107, 75, 75}));  // 0.75·100 + 0.25·(128, 0, 0)
}

TEST(Overlay, TheImagesEdgeIsNoBorderAndIgnoredIsBlended) {
  const ImageU8 photograph(3, 4, 3, 100);
  ImageU8 mask(3, 4, 1, 2);
  for (int y = 0; y < 3; ++y) mask.at(y, 3) = kIgnoreLabel;
  const ImageU8 out = Overlay(photograph, mask, VocPalette());
  EXPECT_EQ(At(out, 0, 0), (Colour{50, 114, 50}));
  EXPECT_EQ(At(out, 1, 2), (Colour{0, 128, 0}));  // touches another label
  EXPECT_EQ(At(out, 1, 3), (Colour{162, 162, 146}));
}

TEST(Overlay, WorksOnOnePixelAndRefusesOtherSizes) {
  EXPECT_EQ(At(Overlay(ImageU8(1, 1, 3, 10), ImageU8(1, 1, 1, 1), VocPalette(), 1.0F), 0, 0),
            (Colour{128, 0, 0}));
  EXPECT_THROW(Overlay(ImageU8(2, 3, 3), ImageU8(3, 2, 1), VocPalette()), InternalError);
  EXPECT_THROW(Overlay(ImageU8(2, 3, 3), ImageU8(2, 3, 1), VocPalette(), 1.5F), InternalError);
}

}  // namespace
}  // namespace i2crc
