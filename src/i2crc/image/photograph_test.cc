// SPDX-License-Identifier: Apache-2.0
// Files of every kind that people have, and what they must look like as photographs.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string>
#include <vector>

#include "i2crc/core/random.h"
#include "i2crc/image/image_file.h"
#include "i2crc/image/jpeg_codec.h"
#include "i2crc/image/made_files.h"
#include "support/test_dirs.h"

namespace i2crc {
namespace {

using testing::ExifOrientationBlock;
using testing::JpegOptions;
using testing::MakeJpeg;
using testing::MakePng;
using testing::PngOptions;
using testing::TempDir;
using testing::TiffOrientation;
using testing::TiffType;
using testing::WriteBytes;

using Colour = std::array<int, 3>;

ImageU8 Photograph(const std::string& bytes) {
  return DecodePhotograph({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}, "made");
}

ImageHeader Header(const std::string& bytes) {
  return DecodeImageHeader({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}, "made");
}

ImageU8 Noise(int height, int width, int channels) {
  Random random({5});
  ImageU8 image(height, width, channels);
  for (uint8_t& value : image.values()) value = static_cast<uint8_t>(random.Below(256));
  return image;
}

Colour At(const ImageU8& rgb, int y, int x) {
  return {rgb.at(y, x, 0), rgb.at(y, x, 1), rgb.at(y, x, 2)};
}

void ExpectNear(const Colour& got, const Colour& expected, int tolerance) {
  for (size_t c = 0; c < 3; ++c)
    EXPECT_NEAR(got[c], expected[c], tolerance)
        << "channel " << c << " of (" << got[0] << ' ' << got[1] << ' ' << got[2] << ')';
}

// --- JPEG ---

TEST(PhotographJpeg, ValuesAreThoseOfPlainLibjpeg) {
  const std::string bytes = MakeJpeg(Noise(37, 53, 3), {});
  EXPECT_TRUE(Photograph(bytes) == testing::PlainJpegDecode(bytes));
}

TEST(PhotographJpeg, SubsampledChromaToo) {
  TempDir folder;
  WriteJpeg(folder / "a.jpg", Noise(37, 53, 3), 90);
  EXPECT_TRUE(ReadPhotograph(folder / "a.jpg") ==
              testing::PlainJpegDecode(testing::ReadBytes(folder / "a.jpg")));
}

TEST(PhotographJpeg, ProgressiveAndArithmeticHoldTheSamePixels) {
  const ImageU8 image = Noise(37, 53, 3);
  const ImageU8 baseline = Photograph(MakeJpeg(image, {}));
  JpegOptions options;
  options.progressive = true;
  EXPECT_TRUE(Photograph(MakeJpeg(image, options)) == baseline);
  options.progressive = false;
  options.arithmetic = true;
  EXPECT_TRUE(Photograph(MakeJpeg(image, options)) == baseline);
}

TEST(PhotographJpeg, StoredRgb) {
  JpegOptions options;
  options.stored = JCS_RGB;
  options.adobe_marker = true;
  const ImageU8 image(8, 8, 3, 200);
  EXPECT_TRUE(Photograph(MakeJpeg(image, options)) == image);
}

TEST(PhotographJpeg, GreyIsSpread) {
  JpegOptions options;
  options.given = options.stored = JCS_GRAYSCALE;
  const std::string bytes = MakeJpeg(ImageU8(9, 11, 1, 77), options);
  EXPECT_TRUE(Photograph(bytes) == ImageU8(9, 11, 3, 77));
  EXPECT_EQ(Header(bytes).channels, 1);
}

// 64 of cyan, 128 of magenta, 0 of yellow and 55 of black ink, each of 255.
constexpr std::array<int, 4> kInks = {64, 128, 0, 55};
constexpr Colour kInksAsRgb = {150, 100, 200};

ImageU8 Inks(bool inverted) {
  ImageU8 image(16, 16, 4);
  for (size_t i = 0; i < image.size(); ++i) {
    const int ink = kInks[i % 4];
    image.values()[i] = static_cast<uint8_t>(inverted ? 255 - ink : ink);
  }
  return image;
}

TEST(PhotographJpeg, CmykOfAdobeIsInverted) {
  JpegOptions options;
  options.given = options.stored = JCS_CMYK;
  options.adobe_marker = true;
  const std::string bytes = MakeJpeg(Inks(true), options);
  EXPECT_EQ(Header(bytes).channels, 4);
  ExpectNear(At(Photograph(bytes), 7, 7), kInksAsRgb, 1);
}

TEST(PhotographJpeg, YcckOfAdobeIsInverted) {
  JpegOptions options;
  options.given = JCS_CMYK;
  options.stored = JCS_YCCK;
  options.adobe_marker = true;
  ExpectNear(At(Photograph(MakeJpeg(Inks(true), options)), 7, 7), kInksAsRgb, 2);
}

TEST(PhotographJpeg, CmykWithoutAdobesMarkerIsNot) {
  JpegOptions options;
  options.given = options.stored = JCS_CMYK;
  ExpectNear(At(Photograph(MakeJpeg(Inks(false), options)), 7, 7), kInksAsRgb, 1);
}

TEST(PhotographJpeg, CmykArithmeticIsPillows) {
  const auto convert = [](std::array<uint8_t, 4> cmyk, bool inverted) {
    std::array<uint8_t, 3> rgb;
    internal::CmykToRgb(cmyk.data(), 1, inverted, rgb.data());
    return Colour{rgb[0], rgb[1], rgb[2]};
  };
  EXPECT_EQ(convert({0, 0, 0, 0}, false), (Colour{255, 255, 255}));
  EXPECT_EQ(convert({255, 0, 0, 0}, false), (Colour{0, 255, 255}));
  EXPECT_EQ(convert({0, 0, 0, 255}, false), (Colour{0, 0, 0}));
  EXPECT_EQ(convert({64, 1, 255, 128}, false), (Colour{95, 127, 0}));
  EXPECT_EQ(convert({191, 254, 0, 127}, true), (Colour{95, 127, 0}));
}

TEST(PhotographJpeg, StrayBytesBeforeTheEndAreNoDamage) {
  std::string bytes = MakeJpeg(Noise(16, 16, 3), {});
  const ImageU8 whole = Photograph(bytes);
  bytes.insert(bytes.size() - 2, "stray");
  EXPECT_TRUE(Photograph(bytes) == whole);
  EXPECT_TRUE(Photograph(bytes + "a second picture, or anything") == whole);
}

// --- EXIF orientation ---

// What people see at the corners (top left, top right, bottom left, bottom right) where the stored
// corners are 0 1 / 2 3, for orientations 1…8.
constexpr std::array<std::array<int, 4>, 8> kSeenCorners = {{{0, 1, 2, 3},
                                                             {1, 0, 3, 2},
                                                             {3, 2, 1, 0},
                                                             {2, 3, 0, 1},
                                                             {0, 2, 1, 3},
                                                             {2, 0, 3, 1},
                                                             {3, 1, 2, 0},
                                                             {1, 3, 0, 2}}};

// 32 high, 48 wide, four flat quarters.
ImageU8 Quarters() {
  ImageU8 image(32, 48, 3);
  for (int y = 0; y < 32; ++y)
    for (int x = 0; x < 48; ++x)
      for (int c = 0; c < 3; ++c)
        image.at(y, x, c) = static_cast<uint8_t>(40 + 60 * ((y >= 16 ? 2 : 0) + (x >= 24 ? 1 : 0)));
  return image;
}

void ExpectSeen(const std::string& bytes, int orientation) {
  const ImageU8 seen = Photograph(bytes);
  const int h = orientation >= 5 ? 48 : 32, w = orientation >= 5 ? 32 : 48;
  ASSERT_EQ(seen.height(), h);
  ASSERT_EQ(seen.width(), w);
  const ImageHeader header = Header(bytes);
  EXPECT_EQ(header.height, h);
  EXPECT_EQ(header.width, w);
  const auto& corners = kSeenCorners[static_cast<size_t>(orientation - 1)];
  const auto quarter = [&](int y, int x) { return (seen.at(y, x, 0) - 40 + 30) / 60; };
  EXPECT_EQ(quarter(1, 1), corners[0]);
  EXPECT_EQ(quarter(1, w - 2), corners[1]);
  EXPECT_EQ(quarter(h - 2, 1), corners[2]);
  EXPECT_EQ(quarter(h - 2, w - 2), corners[3]);
}

class Orientation : public ::testing::TestWithParam<int> {};

TEST_P(Orientation, IsAppliedToJpegs) {
  for (const bool big_endian : {false, true}) {
    JpegOptions options;
    options.app1 = ExifOrientationBlock(GetParam(), big_endian);
    ExpectSeen(MakeJpeg(Quarters(), options), GetParam());
  }
}

TEST_P(Orientation, IsAppliedToPngs) {
  PngOptions options;
  options.exif = TiffOrientation(GetParam(), true);
  ExpectSeen(MakePng(Quarters(), options), GetParam());
}

TEST_P(Orientation, MayStandInAnyTypeOfWholeNumbers) {
  for (const bool big_endian : {false, true})
    for (const TiffType type : {TiffType::kByte, TiffType::kShort, TiffType::kLong,
                                TiffType::kSbyte, TiffType::kSshort, TiffType::kSlong}) {
      JpegOptions jpeg;
      jpeg.app1 = ExifOrientationBlock(GetParam(), big_endian, type);
      ExpectSeen(MakeJpeg(Quarters(), jpeg), GetParam());
      PngOptions png;
      png.exif = TiffOrientation(GetParam(), big_endian, type);
      ExpectSeen(MakePng(Quarters(), png), GetParam());
    }
}

INSTANTIATE_TEST_SUITE_P(All, Orientation, ::testing::Range(1, 9));

TEST(OrientationDamaged, LeavesThePhotographAsStored) {
  const ImageU8 image = Quarters();
  const std::string good = ExifOrientationBlock(6, false);
  std::vector<std::string> blocks = {ExifOrientationBlock(0, false),
                                     ExifOrientationBlock(9, true),
                                     ExifOrientationBlock(-6, true, TiffType::kSlong),
                                     ExifOrientationBlock(-250, true, TiffType::kSshort),
                                     ExifOrientationBlock(0x10006, false, TiffType::kLong),
                                     ExifOrientationBlock(6, false, TiffType::kUndefined),
                                     "http://ns.adobe.com/xap/1.0/",
                                     "Exif"};
  for (size_t cut = 6; cut < 26; ++cut) blocks.push_back(good.substr(0, cut));
  for (const std::string& block : blocks) {
    JpegOptions options;
    options.app1 = block;
    const ImageU8 seen = Photograph(MakeJpeg(image, options));
    EXPECT_EQ(seen.height(), 32);
    EXPECT_EQ(seen.width(), 48);
  }
}

TEST(OrientationDamaged, ABlockBeforeTheExifOneIsPassedOver) {
  JpegOptions options;
  options.app1 = ExifOrientationBlock(6, false);
  std::string bytes = MakeJpeg(Quarters(), options);
  const std::string other("\xFF\xE1\x00\x0Chttp://xap", 14);
  bytes.insert(2, other);
  ExpectSeen(bytes, 6);
}

// --- PNG ---

TEST(PhotographPng, RgbIsExactInterlacedToo) {
  const ImageU8 image = Noise(13, 7, 3);
  PngOptions options;
  EXPECT_TRUE(Photograph(MakePng(image, options)) == image);
  options.interlaced = true;
  options.with_text = true;
  EXPECT_TRUE(Photograph(MakePng(image, options)) == image);
}

TEST(PhotographPng, SixteenBitsKeepTheUpperEight) {
  PngOptions options;
  options.depth = 16;
  const std::string bytes = MakePng(1, {std::string("\x12\xFF\xFF\x00\x00\xFF", 6)}, options);
  EXPECT_EQ(At(Photograph(bytes), 0, 0), (Colour{0x12, 0xFF, 0}));
  options.type = PNG_COLOR_TYPE_GRAY;
  EXPECT_EQ(At(Photograph(MakePng(1, {std::string("\x80\x7F", 2)}, options)), 0, 0),
            (Colour{0x80, 0x80, 0x80}));
}

TEST(PhotographPng, PaletteIsLookedUpAndItsAlphaLaidOnWhite) {
  PngOptions options;
  options.type = PNG_COLOR_TYPE_PALETTE;
  options.palette = {{10, 20, 30}, {200, 100, 0}, {1, 2, 3}};
  options.palette_alpha = {255, 128, 0};
  const std::string bytes = MakePng(3, {std::string("\0\1\2", 3)}, options);
  const ImageU8 image = Photograph(bytes);
  EXPECT_EQ(At(image, 0, 0), (Colour{10, 20, 30}));
  EXPECT_EQ(At(image, 0, 1), (Colour{227, 177, 127}));  // (c·128 + 255·127) / 255
  EXPECT_EQ(At(image, 0, 2), (Colour{255, 255, 255}));
  EXPECT_TRUE(Header(bytes).palette);
  EXPECT_EQ(Header(bytes).channels, 1);
}

TEST(PhotographPng, PaletteOfFewBits) {
  PngOptions options;
  options.type = PNG_COLOR_TYPE_PALETTE;
  options.palette = {{10, 20, 30}, {200, 100, 0}, {1, 2, 3}};
  options.depth = 2;
  const ImageU8 image = Photograph(MakePng(3, {"\x24"}, options));  // 0, 2, 1
  EXPECT_EQ(At(image, 0, 0), (Colour{10, 20, 30}));
  EXPECT_EQ(At(image, 0, 1), (Colour{1, 2, 3}));
  EXPECT_EQ(At(image, 0, 2), (Colour{200, 100, 0}));
}

TEST(PhotographPng, AlphaIsLaidOnWhite) {
  PngOptions options;
  options.type = PNG_COLOR_TYPE_RGB_ALPHA;
  ImageU8 rgba(1, 3, 4, 0);
  rgba.values() = {10, 20, 30, 255, 10, 20, 30, 0, 0, 0, 0, 128};
  const ImageU8 image = Photograph(MakePng(rgba, options));
  EXPECT_EQ(At(image, 0, 0), (Colour{10, 20, 30}));
  EXPECT_EQ(At(image, 0, 1), (Colour{255, 255, 255}));
  EXPECT_EQ(At(image, 0, 2), (Colour{127, 127, 127}));
  EXPECT_EQ(Header(MakePng(rgba, options)).channels, 4);
  options.type = PNG_COLOR_TYPE_GRAY_ALPHA;
  ImageU8 grey_alpha(1, 2, 2);
  grey_alpha.values() = {50, 255, 50, 0};
  EXPECT_EQ(At(Photograph(MakePng(grey_alpha, options)), 0, 0), (Colour{50, 50, 50}));
  EXPECT_EQ(At(Photograph(MakePng(grey_alpha, options)), 0, 1), (Colour{255, 255, 255}));
}

TEST(PhotographPng, AKeyColourIsTransparent) {
  PngOptions options;
  options.has_key = true;
  options.key.red = 1;
  options.key.green = 2;
  options.key.blue = 3;
  ImageU8 rgb(1, 2, 3);
  rgb.values() = {1, 2, 3, 1, 2, 4};
  const ImageU8 image = Photograph(MakePng(rgb, options));
  EXPECT_EQ(At(image, 0, 0), (Colour{255, 255, 255}));
  EXPECT_EQ(At(image, 0, 1), (Colour{1, 2, 4}));
}

// --- The real ones ---

TEST(PhotographReal, HeadersAgreeWithPixels) {
  I2CRC_NEEDS_SHARED("data/voc-animals/JPEGImages");
  std::vector<std::filesystem::path> files;
  for (const auto& entry :
       std::filesystem::directory_iterator(testing::SharedPath("data/voc-animals/JPEGImages")))
    files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  ASSERT_GE(files.size(), 30U);
  for (size_t i = 0; i < files.size(); i += 25) {
    const ImageHeader header = ReadImageHeader(files[i]);
    const ImageU8 image = ReadPhotograph(files[i]);
    EXPECT_EQ(header.height, image.height()) << files[i];
    EXPECT_EQ(header.width, image.width()) << files[i];
    EXPECT_EQ(image.channels(), 3);
  }
}

}  // namespace
}  // namespace i2crc
