// SPDX-License-Identifier: Apache-2.0
// Maps, masks, writers and files that are not what they should be.
#include "i2crc/image/image_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <malloc.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "i2crc/core/random.h"
#include "i2crc/image/jpeg_codec.h"
#include "i2crc/image/made_files.h"
#include "i2crc/image/png_codec.h"
#include "support/limited_child.h"
#include "support/test_dirs.h"

namespace i2crc {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::JpegOptions;
using testing::MakeJpeg;
using testing::MakePng;
using ::testing::Not;
using testing::PngOptions;
using testing::ReadBytes;
using ::testing::StartsWith;
using testing::TempDir;
using testing::WriteBytes;

std::span<const uint8_t> Span(const std::string& bytes) {
  return {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()};
}

std::string MessageOf(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

std::string PhotographMessage(const std::string& bytes) {
  return MessageOf([&] { DecodePhotograph(Span(bytes), "made"); });
}

ImageU8 Noise(int height, int width, int channels) {
  Random random({5});
  ImageU8 image(height, width, channels);
  for (uint8_t& value : image.values()) value = static_cast<uint8_t>(random.Below(256));
  return image;
}

PngOptions Grey(int depth = 8) {
  PngOptions options;
  options.type = PNG_COLOR_TYPE_GRAY;
  options.depth = depth;
  return options;
}

PngOptions Indexed(int depth = 8) {
  PngOptions options;
  options.type = PNG_COLOR_TYPE_PALETTE;
  options.depth = depth;
  options.palette = {{0, 0, 0}, {9, 9, 9}, {5, 6, 7}};
  return options;
}

// --- Maps ---

ImageU8 GreyOf(const std::string& bytes) { return DecodeGrey(Span(bytes), "map.png"); }

TEST(GreyMap, EveryBitDepth) {
  EXPECT_EQ(GreyOf(MakePng(8, {"\x0F"}, Grey(1))).values(),
            (std::vector<uint8_t>{0, 0, 0, 0, 255, 255, 255, 255}));
  EXPECT_EQ(GreyOf(MakePng(4, {"\x1B"}, Grey(2))).values(),
            (std::vector<uint8_t>{0, 85, 170, 255}));
  EXPECT_EQ(GreyOf(MakePng(2, {"\x3F"}, Grey(4))).values(), (std::vector<uint8_t>{51, 255}));
  EXPECT_EQ(GreyOf(MakePng(1, {"\x9C"}, Grey(8))).values(), (std::vector<uint8_t>{0x9C}));
  EXPECT_EQ(GreyOf(MakePng(1, {"\x9C\xFF"}, Grey(16))).values(), (std::vector<uint8_t>{0x9C}));
}

TEST(GreyMap, EqualChannelsCountAsGrey) {
  EXPECT_TRUE(GreyOf(MakePng(ImageU8(5, 3, 3, 99), {})) == ImageU8(5, 3, 1, 99));
  PngOptions rgba;
  rgba.type = PNG_COLOR_TYPE_RGB_ALPHA;
  EXPECT_TRUE(GreyOf(MakePng(ImageU8(5, 3, 4, 255), rgba)) == ImageU8(5, 3, 1, 255));
  EXPECT_EQ(GreyOf(MakePng(2, {std::string("\0\1", 2)}, Indexed())).values(),
            (std::vector<uint8_t>{0, 9}));
}

TEST(GreyMap, JpegsGreyAndStoredInColour) {
  JpegOptions options;
  options.given = options.stored = JCS_GRAYSCALE;
  EXPECT_TRUE(GreyOf(MakeJpeg(ImageU8(9, 9, 1, 33), options)) == ImageU8(9, 9, 1, 33));
  EXPECT_TRUE(GreyOf(MakeJpeg(ImageU8(9, 9, 3, 33), {})) == ImageU8(9, 9, 1, 33));
}

TEST(GreyMap, ColoursAndTransparencyAreErrors) {
  EXPECT_EQ(MessageOf([] { GreyOf(MakePng(Noise(4, 4, 3), {})); }),
            "map.png: a map must be grey, this image has colours");
  PngOptions options;
  options.type = PNG_COLOR_TYPE_GRAY_ALPHA;
  EXPECT_EQ(MessageOf([&] { GreyOf(MakePng(ImageU8(4, 4, 2, 7), options)); }),
            "map.png: a map must be opaque, this image has transparent pixels");
}

// --- Masks ---

ImageU8 MaskOf(const std::string& bytes) { return DecodeMask(Span(bytes), "mask.png"); }

TEST(Mask, IndicesOfAPaletteOfAnyDepth) {
  EXPECT_EQ(MaskOf(MakePng(3, {std::string("\0\1\2", 3)}, Indexed())).values(),
            (std::vector<uint8_t>{0, 1, 2}));
  EXPECT_EQ(MaskOf(MakePng(2, {"\x12"}, Indexed(4))).values(), (std::vector<uint8_t>{1, 2}));
  EXPECT_EQ(MaskOf(MakePng(4, {"\x18"}, Indexed(2))).values(), (std::vector<uint8_t>{0, 1, 2, 0}));
  PngOptions one_bit = Indexed(1);
  one_bit.palette.pop_back();
  EXPECT_EQ(MaskOf(MakePng(3, {"\xA0"}, one_bit)).values(), (std::vector<uint8_t>{1, 0, 1}));
}

TEST(Mask, IndicesBeyondThePaletteStay) {
  EXPECT_EQ(MaskOf(MakePng(3, {"\x01\xFF\x80"}, Indexed())).values(),
            (std::vector<uint8_t>{1, 255, 128}));
  I2CRC_NEEDS_SHARED("goldens/labels/expected");
  size_t ignored = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(testing::SharedPath("goldens/labels/expected"))) {
    const ImageU8 mask = ReadMask(entry.path());
    ignored +=
        static_cast<size_t>(std::count(mask.values().begin(), mask.values().end(), kIgnoreLabel));
  }
  EXPECT_GT(ignored, 0U);
}

TEST(Mask, EightBitGreyHoldsValues) {
  const ImageU8 mask = Noise(13, 7, 1);
  PngOptions options = Grey();
  options.interlaced = true;
  EXPECT_TRUE(MaskOf(MakePng(mask, options)) == mask);
}

TEST(Mask, AnythingElseIsAnError) {
  const std::string must = "mask.png: a mask must be a PNG with palette or 8-bit grey, this ";
  const auto message = [](const std::string& bytes) { return MessageOf([&] { MaskOf(bytes); }); };
  EXPECT_EQ(message(MakePng(Noise(2, 2, 3), {})), must + "one is 8-bit RGB");
  EXPECT_EQ(message(MakePng(1, {"\x01\x02"}, Grey(16))), must + "one is 16-bit grey");
  EXPECT_EQ(message(MakePng(1, {"\x80"}, Grey(1))), must + "one is 1-bit grey");
  PngOptions alpha;
  alpha.type = PNG_COLOR_TYPE_GRAY_ALPHA;
  EXPECT_EQ(message(MakePng(Noise(2, 2, 2), alpha)), must + "one is 8-bit grey with alpha");
  EXPECT_EQ(message(MakeJpeg(Noise(8, 8, 3), {})), must + "is a JPEG");
}

// --- Damaged and hostile files ---

TEST(Damage, EveryCutOfAPngIsAnError) {
  const std::string whole = MakePng(Noise(9, 5, 3), {});
  for (size_t length = 0; length < whole.size(); ++length)
    EXPECT_THAT(PhotographMessage(whole.substr(0, length)), StartsWith("made: ")) << length;
  EXPECT_THAT(PhotographMessage(whole.substr(0, whole.size() - 20)),
              HasSubstr("truncated or damaged PNG: file ends too early"));
}

// Files whose pixels come in one scan and in several, with the same picture.
std::vector<std::string> JpegsOf(const ImageU8& image) {
  JpegOptions progressive, scan_a_component;
  progressive.progressive = true;
  scan_a_component.scans = testing::ScanAComponent();
  return {MakeJpeg(image, {}), MakeJpeg(image, progressive), MakeJpeg(image, scan_a_component)};
}

TEST(Damage, EveryCutOfAJpegIsAnError) {
  for (const std::string& whole : JpegsOf(Noise(16, 24, 3))) {
    // The two bytes of the end marker hold no pixel.
    for (size_t length = 0; length < whole.size() - 2; ++length)
      ASSERT_THAT(PhotographMessage(whole.substr(0, length)), StartsWith("made: ")) << length;
    EXPECT_EQ(PhotographMessage(whole.substr(0, whole.size() - 40)),
              "made: truncated or damaged JPEG: Premature end of JPEG file");
  }
}

// A phone's, one that looks like further parts of a JPEG, and a whole second picture.
std::vector<std::string> Trailers() {
  return {"", std::string("\0\0\x01\x0a\x0e\0\0\0Image_UTC_Data1400000000000SEFHk\0\0\0SEFT", 45),
          std::string("\xFF\xE5\0\x40\xFF\xC4\xFF\xC0\xFF\x02\xFF\xDA\0\0", 14),
          MakeJpeg(Noise(8, 8, 3), {}), std::string(500, '\0')};
}

TEST(Damage, AMissingEndOfAJpegIsNone) {
  const ImageU8 image = Noise(40, 56, 3);
  const ImageU8 pixels = DecodePhotograph(Span(MakeJpeg(image, {})), "made");
  for (const std::string& whole : JpegsOf(image)) {
    const std::string scans = whole.substr(0, whole.size() - 2);
    for (const std::string& trailer : Trailers()) {
      EXPECT_TRUE(DecodePhotograph(Span(scans + trailer), "made") == pixels);
      EXPECT_TRUE(DecodePhotograph(Span(whole + trailer), "made") == pixels);
    }
    EXPECT_TRUE(DecodePhotograph(Span(scans + "\xFF"), "made") == pixels);
  }
}

// Where the last scan begins.
size_t LastScan(const std::string& bytes) { return bytes.rfind("\xFF\xDA"); }

TEST(Damage, AMissingScanOfAJpegIsAnError) {
  const std::vector<std::string> files = JpegsOf(Noise(40, 56, 3));
  for (size_t i = 1; i < files.size(); ++i)
    for (const char* trailer : {"", "trailer"})
      EXPECT_EQ(PhotographMessage(files[i].substr(0, LastScan(files[i])) + trailer),
                "made: truncated or damaged JPEG: Premature end of JPEG file");
  EXPECT_EQ(PhotographMessage(files[2].substr(0, LastScan(files[2])) + "\xFF\xD9"),
            "made: damaged JPEG: no scan holds colour component 3 of 3");
}

TEST(Damage, ZerosInPlaceOfPixelsAreAnError) {
  const std::vector<std::string> files = JpegsOf(Noise(160, 160, 3));
  const auto message = [](std::string bytes, size_t kept) {
    std::fill(bytes.begin() + static_cast<ptrdiff_t>(kept), bytes.end(), '\0');
    return PhotographMessage(bytes);
  };
  for (const std::string& whole : files)
    for (const size_t kept : {whole.size() / 2, LastScan(whole) + 200})
      EXPECT_THAT(message(whole, kept), StartsWith("made: truncated or damaged JPEG: ")) << kept;
  // Enough of them for every pixel that is missing.
  for (const size_t i : {0, 2})
    EXPECT_EQ(message(files[i], LastScan(files[i]) + 200),
              "made: truncated or damaged JPEG: zeros stand for pixels");
}

// Its decoder takes what is missing for zeros, so that the end marker alone says that nothing is.
TEST(Damage, AnArithmeticJpegNeedsItsEnd) {
  JpegOptions options;
  options.arithmetic = true;
  const std::string whole = MakeJpeg(Noise(40, 56, 3), options);
  for (const size_t lost : {whole.size() / 2, whole.size() / 20})
    EXPECT_EQ(PhotographMessage(whole.substr(0, whole.size() - lost)),
              "made: truncated or damaged JPEG: Premature end of JPEG file");
}

TEST(Damage, AFlippedBitInAPngIsAnError) {
  const std::string whole = MakePng(Noise(9, 5, 3), {});
  // Everything behind the signature stands under a checksum (type and length by their meaning).
  for (size_t i = 8; i < whole.size(); ++i) {
    std::string bytes = whole;
    bytes[i] = static_cast<char>(bytes[i] ^ 0x10);
    EXPECT_THAT(PhotographMessage(bytes), StartsWith("made: truncated or damaged PNG: ")) << i;
  }
}

TEST(Damage, AHoleInAJpegIsAnError) {
  const std::string whole = MakeJpeg(Noise(64, 64, 3), {});
  std::string bytes = whole;
  bytes.erase(bytes.size() / 2, bytes.size() / 4);
  EXPECT_THAT(PhotographMessage(bytes), StartsWith("made: truncated or damaged JPEG: "));
}

TEST(Damage, OtherContents) {
  TempDir folder;
  const auto message = [&](const std::string& name, const std::string& bytes) {
    WriteBytes(folder / name, bytes);
    const std::string header = MessageOf([&] { ReadImageHeader(folder / name); });
    EXPECT_EQ(header, MessageOf([&] { ReadPhotograph(folder / name); }));
    EXPECT_THAT(header, StartsWith((folder / name).string() + ": "));
    EXPECT_THAT(header, Not(HasSubstr("\n")));
    return header.substr((folder / name).string().size() + 2);
  };
  EXPECT_EQ(message("empty.jpg", ""), "empty file");
  EXPECT_EQ(message("text.jpg", "not a picture\n"), "neither JPEG nor PNG");
  EXPECT_EQ(message("a.png", "GIF89a..."), "looks like GIF, convert it to JPEG or PNG");
  EXPECT_EQ(message("b.jpg", std::string("II*\0....", 8)),
            "looks like TIFF, convert it to JPEG or PNG");
  EXPECT_EQ(message("short.png", "\x89PNG"), "neither JPEG nor PNG");
}

TEST(Damage, MissingFilesAndFolders) {
  TempDir folder;
  for (const auto& read : std::vector<std::function<void(const std::filesystem::path&)>>{
           ReadImageHeader, ReadPhotograph, ReadGrey, ReadMask}) {
    EXPECT_EQ(MessageOf([&] { read(folder / "no.png"); }),
              (folder / "no.png").string() + ": No such file or directory");
    EXPECT_EQ(MessageOf([&] { read(folder.path()); }), folder.path().string() + ": Is a directory");
  }
}

TEST(Damage, TheNameDoesNotDecide) {
  TempDir folder;
  const ImageU8 image = Noise(5, 6, 3);
  WriteBytes(folder / "a.jpg", MakePng(image, {}));
  EXPECT_TRUE(ReadPhotograph(folder / "a.jpg") == image);
  EXPECT_EQ(ReadImageHeader(folder / "a.jpg").width, 6);
}

TEST(Damage, TwoColourComponentsAreUnsupported) {
  JpegOptions options;
  options.given = options.stored = JCS_UNKNOWN;
  EXPECT_EQ(PhotographMessage(MakeJpeg(Noise(8, 8, 2), options)),
            "made: unsupported JPEG: 2 colour components");
}

// A JPEG's size stands behind its SOF marker, its length and its precision.
std::string WithJpegSize(std::string bytes, int height, int width) {
  size_t sof = std::string::npos;
  for (const char* marker : {"\xFF\xC0", "\xFF\xC2", "\xFF\xC9", "\xFF\xCA"})
    sof = std::min(sof, bytes.find(marker));
  for (const auto& [at, value] : {std::pair{sof + 5, height >> 8},
                                  {sof + 6, height},
                                  {sof + 7, width >> 8},
                                  {sof + 8, width}})
    bytes.at(at) = static_cast<char>(value & 255);
  return bytes;
}

TEST(Hostile, JpegSizes) {
  const std::string small = MakeJpeg(ImageU8(8, 8, 3, 1), {});
  EXPECT_THAT(PhotographMessage(WithJpegSize(small, 65500, 65500)),
              HasSubstr("JPEG of 65500x65500 pixels is too large"));
  EXPECT_THAT(PhotographMessage(WithJpegSize(small, 65535, 8)), HasSubstr("65500"));
  EXPECT_THAT(PhotographMessage(WithJpegSize(small, 16000, 16000)),
              HasSubstr("cannot hold 16000x16000 pixels"));
  EXPECT_THAT(MessageOf([&] {
                const std::string bytes = WithJpegSize(small, 65500, 65500);
                DecodeImageHeader(Span(bytes), "made");
              }),
              HasSubstr("too large"));
}

TEST(Hostile, PngSizes) {
  // Real files of such sides, cut after the header: with its right checksum.
  const auto of_size = [](int height, int width) {
    const std::string row(static_cast<size_t>(width + 7) / 8, '\0');
    return MakePng(width, std::vector<std::string>(static_cast<size_t>(height), row), Grey(1));
  };
  EXPECT_THAT(PhotographMessage(of_size(1, 65501)),
              HasSubstr("PNG of 65501x1 pixels is too large (at most 65500 a side)"));
  EXPECT_THAT(PhotographMessage(of_size(65501, 1)), HasSubstr("too large"));
  EXPECT_EQ(PhotographMessage(of_size(16400, 16400)),
            "made: PNG of 16400x16400 pixels is too large: decoding it takes 1076 MB; "
            "--max-pixels 268960000 allows it");
  EXPECT_THAT(PhotographMessage(of_size(9000, 9000).substr(0, 60)),
              HasSubstr("60 bytes cannot hold 9000x9000 pixels"));
}

TEST(Hostile, PngChunkLongerThanTheFile) {
  PngOptions options;
  options.exif = testing::TiffOrientation(6, true);
  std::string bytes = MakePng(Noise(4, 4, 3), options);
  bytes.at(bytes.find("eXIf") - 4) = '\x70';
  EXPECT_EQ(PhotographMessage(bytes), "made: truncated or damaged PNG: file ends too early");
}

TEST(Hostile, HundredsOfScans) {
  JpegOptions options;
  options.scans = testing::ManyScans(757);
  EXPECT_EQ(PhotographMessage(MakeJpeg(Noise(8, 8, 3), options)),
            "made: damaged JPEG: more than 500 scans");
}

// --- Limits of memory and time ---

class Limits : public ::testing::Test {
 protected:
  ~Limits() override { SetMaxPixels(kDefaultMaxPixels); }
};

void Decode(const std::string& bytes) { DecodePhotograph(Span(bytes), "made"); }

// A picture of one colour by arithmetic coding, whose data go on to be that colour for ever.
std::string OneColour(const std::vector<jpeg_scan_info>& scans, int height, int width) {
  JpegOptions options;
  options.arithmetic = true;
  options.scans = scans;
  return WithJpegSize(MakeJpeg(ImageU8(64, 64, 3, 128), options), height, width);
}

TEST_F(Limits, AHugePictureInAFewBytes) {
  I2CRC_NEEDS_LIMITED_MEMORY();
  const std::string bytes = OneColour({}, 16384, 16384);
  ASSERT_LT(bytes.size(), 500U);
  EXPECT_EXIT(testing::WorkWithin(size_t{32} << 20, 2, [&] { Decode(bytes); }),
              ::testing::ExitedWithCode(1), "bytes cannot hold 16384x16384 pixels");
}

TEST_F(Limits, AHugePictureInHundredsOfScans) {
  I2CRC_NEEDS_LIMITED_MEMORY();
  const std::string bytes = OneColour(testing::ManyScans(499), 16384, 16384);
  ASSERT_LT(bytes.size(), 10000U);
  EXPECT_EXIT(testing::WorkWithin(size_t{32} << 20, 2, [&] { Decode(bytes); }),
              ::testing::ExitedWithCode(1),
              "JPEG of 16384x16384 pixels is too large: decoding it takes 2416 MB; --max-pixels "
              "402653184 allows it");
  SetMaxPixels(402653184);
  EXPECT_EXIT(testing::WorkWithin(size_t{32} << 20, 2, [&] { Decode(bytes); }),
              ::testing::ExitedWithCode(1), "bytes cannot hold 16384x16384 pixels");
}

TEST_F(Limits, AHeaderIsEnoughToRefuseWhatTakesTooMuch) {
  const std::string bytes = OneColour(testing::ManyScans(9), 16384, 16384);
  EXPECT_THAT(MessageOf([&] { DecodeImageHeader(Span(bytes), "made"); }),
              HasSubstr("too large: decoding it takes 2416 MB"));
}

TEST_F(Limits, ScansGoOverAsManyPixelsAsSixteenOfTheLargest) {
  SetMaxPixels(int64_t{1} << 20);
  const auto message = [](size_t scans) {
    JpegOptions options;
    options.scans = testing::ManyScans(scans);
    return PhotographMessage(MakeJpeg(ImageU8(512, 512, 3, 128), options));
  };
  EXPECT_EQ(message(64), "no error");
  EXPECT_EQ(message(65),
            "made: too large JPEG: more than 64 scans, which a larger --max-pixels allows");
  SetMaxPixels(int64_t{1} << 21);
  EXPECT_EQ(message(128), "no error");
}

// For each kind of file the least number of pixels that allows it, by the message.
int64_t NeededMaxPixels(const std::string& bytes) {
  SetMaxPixels(1);
  const std::string message = PhotographMessage(bytes), option = "--max-pixels ";
  return std::stoll(message.substr(message.find(option) + option.size()));
}

// Neither more than is counted, nor so little that real photographs are refused for nothing.
TEST_F(Limits, DecodingTakesWhatIsCounted) {
  I2CRC_NEEDS_LIMITED_MEMORY();
  constexpr int kSide = 2000;
  constexpr int64_t kPixels = kSide * kSide;
  const ImageU8 rgb(kSide, kSide, 3, 99), grey(kSide, kSide, 1, 99), rgba(kSide, kSide, 4, 99);
  JpegOptions progressive, turned, grey_jpeg;
  progressive.progressive = true;
  turned.app1 = testing::ExifOrientationBlock(6, true);
  grey_jpeg.given = grey_jpeg.stored = JCS_GRAYSCALE;
  PngOptions rgba_png;
  rgba_png.type = PNG_COLOR_TYPE_RGB_ALPHA;
  rgba_png.exif = testing::TiffOrientation(3, true);
  const std::vector<std::pair<std::string, int64_t>> bytes_per_pixel = {
      {MakeJpeg(rgb, progressive), 9},  // RGB, and three coefficients of 2 bytes
      {MakeJpeg(rgb, turned), 6},
      {MakeJpeg(grey, grey_jpeg), 6},  // 4, but nothing counts for less than its pixels
      {MakePng(rgba, rgba_png), 8}};
  for (const auto& [bytes, expected] : bytes_per_pixel) {
    const int64_t needed = NeededMaxPixels(bytes);
    EXPECT_EQ(needed, (kPixels * expected + 5) / 6);
    SetMaxPixels(needed - 1);
    EXPECT_THAT(PhotographMessage(bytes), HasSubstr("too large"));
    SetMaxPixels(needed);
    EXPECT_EXIT(testing::WorkWithin(static_cast<uint64_t>(6 * needed) + (size_t{4} << 20), 60,
                                    [&, &file = bytes] { Decode(file); }),
                ::testing::ExitedWithCode(0), "");
  }
}

// From here on rows come from the system one by one, not from what earlier tests gave back.
void FillGapsOfHeap() {
  mallopt(M_MMAP_THRESHOLD, 1 << 16);
  const size_t from_system = mallinfo2().hblks;
  static std::vector<void*> kept;  // by a process that ends soon
  while (mallinfo2().hblks == from_system) kept.push_back(std::malloc(size_t{1} << 17));
}

// libpng says of some allocations that fail what it says of damaged files.
TEST_F(Limits, APngForWhichMemoryDoesNotSufficeIsNotCalledDamaged) {
  I2CRC_NEEDS_LIMITED_MEMORY();
  const std::string bytes = MakePng(ImageU8(64, 60000, 3, 99), PngOptions());
  int out_of_memory = 0;
  for (uint64_t memory = 0; memory < uint64_t{1} << 20; memory += uint64_t{64} << 10) {
    EXPECT_EXIT(
        {
          FillGapsOfHeap();
          testing::WorkWithin(memory, 60, [&] { Decode(bytes); });
        },
        [&](int status) {
          out_of_memory += WIFEXITED(status) && WEXITSTATUS(status) == 1 ? 1 : 0;
          return WIFEXITED(status) && WEXITSTATUS(status) >= 1;
        },
        "^(made: out of memory; .*\n)?$");
  }
  EXPECT_GT(out_of_memory, 0);
}

// --- Headers ---

TEST(Header, BehindALongBlockToo) {
  TempDir folder;
  JpegOptions options;
  options.app1 = testing::ExifOrientationBlock(6, true);
  std::string bytes = MakeJpeg(ImageU8(8, 16, 3, 50), options);
  // Two comments of 64 KB before everything else.
  for (int i = 0; i < 2; ++i)
    bytes.insert(2, std::string("\xFF\xFE\xFF\xFF") + std::string(65533, 'x'));
  WriteBytes(folder / "a.jpg", bytes);
  const ImageHeader header = ReadImageHeader(folder / "a.jpg");
  EXPECT_EQ(header.height, 16);
  EXPECT_EQ(header.width, 8);
  EXPECT_EQ(header.channels, 3);
  EXPECT_FALSE(header.palette);
}

TEST(Header, NeedsNoPixels) {
  const ImageU8 image = Noise(40, 30, 3);
  const std::string jpeg = MakeJpeg(image, {});
  EXPECT_EQ(DecodeImageHeader(Span(jpeg).first(700), "made").height, 40);
  const std::string png = MakePng(image, {});
  EXPECT_EQ(DecodeImageHeader(Span(png).first(60), "made").width, 30);
}

// --- Writers ---

TEST(Writers, KeepEveryPixel) {
  TempDir folder;
  for (const auto& [height, width] : {std::pair{1, 1}, {1, 9}, {13, 7}, {64, 65}}) {
    const ImageU8 grey = Noise(height, width, 1), rgb = Noise(height, width, 3);
    WriteGreyPng(folder / "g.png", grey);
    EXPECT_TRUE(ReadGrey(folder / "g.png") == grey);
    WriteRgbPng(folder / "c.png", rgb);
    EXPECT_TRUE(ReadPhotograph(folder / "c.png") == rgb);
    WriteMaskPng(folder / "m.png", grey, VocPalette());
    EXPECT_TRUE(ReadMask(folder / "m.png") == grey);
    EXPECT_TRUE(ReadImageHeader(folder / "m.png").palette);
  }
}

TEST(Writers, SixteenBitsStandWithTheHighByteFirst) {
  const TempDir dir;
  Image<uint16_t> grey(3, 70, 1);
  std::string samples;
  for (size_t i = 0; i < grey.size(); ++i) {
    grey.values()[i] = static_cast<uint16_t>(i * 40503 % 65536);
    samples += static_cast<char>(grey.values()[i] >> 8);
    samples += static_cast<char>(grey.values()[i] & 0xff);
  }
  WriteGreyPng(dir / "wide.png", grey);
  EXPECT_EQ(testing::PlainPngSamples(ReadBytes(dir / "wide.png")), samples);
  const ImageHeader header = ReadImageHeader(dir / "wide.png");
  EXPECT_EQ(header.height, 3);
  EXPECT_EQ(header.width, 70);
  EXPECT_EQ(header.channels, 1);
}

TEST(Writers, BytesDependOnPixelsAlone) {
  TempDir folder;
  const ImageU8 mask = Noise(33, 21, 1);
  WriteMaskPng(folder / "a.png", mask, VocPalette());
  WriteMaskPng(folder / "b.png", mask, VocPalette());
  const std::string bytes = ReadBytes(folder / "a.png");
  EXPECT_EQ(bytes, ReadBytes(folder / "b.png"));
  EXPECT_THAT(bytes, Not(HasSubstr("tIME")));
  EXPECT_THAT(bytes, Not(HasSubstr("tEXt")));
  const size_t palette = bytes.find("PLTE");
  ASSERT_NE(palette, std::string::npos);
  EXPECT_EQ(bytes.substr(palette - 4, 4), std::string("\0\0\3\0", 4));  // 768 bytes
  EXPECT_EQ(bytes.substr(palette + 4 + 255 * 3, 3), "\xE0\xE0\xC0");
}

TEST(Writers, JpegIsNearThePixels) {
  TempDir folder;
  ImageU8 ramp(40, 60, 3);
  for (int y = 0; y < 40; ++y)
    for (int x = 0; x < 60; ++x)
      for (int c = 0; c < 3; ++c) ramp.at(y, x, c) = static_cast<uint8_t>(3 * x + y + 10 * c);
  WriteJpeg(folder / "a.jpg", ramp);
  const ImageU8 read = ReadPhotograph(folder / "a.jpg");
  ASSERT_TRUE(read.SameSize(ramp));
  for (size_t i = 0; i < ramp.size(); ++i) ASSERT_NEAR(read.values()[i], ramp.values()[i], 6);
  WriteJpeg(folder / "b.jpg", ramp, 30);
  EXPECT_LT(ReadBytes(folder / "b.jpg").size(), ReadBytes(folder / "a.jpg").size());
}

TEST(Writers, ErrorsNameTheFile) {
  TempDir folder;
  const auto path = folder / "no/such/a.png";
  EXPECT_THAT(MessageOf([&] { WriteGreyPng(path, ImageU8(2, 2, 1)); }),
              StartsWith(path.string() + ": cannot write: "));
  EXPECT_THAT(MessageOf([&] { WriteJpeg(folder / "a.jpg", ImageU8(1, 65501, 3)); }),
              AllOf(StartsWith((folder / "a.jpg").string()), HasSubstr("65500")));
  EXPECT_THAT(MessageOf([&] { WriteGreyPng(folder / "a.png", ImageU8(1, 65501, 1)); }),
              StartsWith((folder / "a.png").string() + ": cannot encode PNG: "));
  EXPECT_THROW(WriteGreyPng(path, ImageU8(2, 2, 3)), InternalError);
  EXPECT_THROW(WriteRgbPng(path, ImageU8(2, 2, 1)), InternalError);
  EXPECT_THROW(WriteMaskPng(path, ImageU8(), VocPalette()), InternalError);
  EXPECT_THROW(WriteJpeg(path, ImageU8(2, 2, 3), 0), InternalError);
}

// The child has room for the first megabytes of the file alone.
TEST(Writers, AJpegThatMemoryDoesNotHold) {
  I2CRC_NEEDS_LIMITED_MEMORY();
  const ImageU8 noise = Noise(2000, 2000, 3);
  EXPECT_EXIT(
      testing::WorkWithin(size_t{4} << 20, 60, [&] { internal::EncodeJpeg(noise, 100, "made"); }),
      ::testing::ExitedWithCode(1), "made: out of memory; ");
}

TEST(Writers, APngThatMemoryDoesNotHold) {
  I2CRC_NEEDS_LIMITED_MEMORY();
  const ImageU8 noise = Noise(2000, 2000, 3);
  EXPECT_EXIT(testing::WorkWithin(size_t{4} << 20, 60,
                                  [&] { internal::EncodePng(noise, nullptr, "made"); }),
              ::testing::ExitedWithCode(1), "made: out of memory; ");
}

}  // namespace
}  // namespace i2crc
