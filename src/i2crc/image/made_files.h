// SPDX-License-Identifier: Apache-2.0
#pragma once

// jpeglib.h needs FILE.
// clang-format off
#include <stdio.h>
#include <jpeglib.h>
// clang-format on
#include <png.h>

#include <cstdint>
#include <string>
#include <vector>

#include "i2crc/core/image.h"

// JPEG and PNG files of every kind for tests, made by the libraries themselves and not by the code
// under test.
namespace i2crc::testing {

struct JpegOptions {
  J_COLOR_SPACE given = JCS_RGB;
  J_COLOR_SPACE stored = JCS_YCbCr;
  bool adobe_marker = false;
  bool progressive = false;
  bool arithmetic = false;
  std::vector<jpeg_scan_info> scans = {};  // the library's own where empty
  std::string app1 = {};                   // contents of an APP1 marker, none where empty
};
std::string MakeJpeg(const ImageU8& image, const JpegOptions& options);

// For JpegOptions::scans, three components: one each, not progressive.
std::vector<jpeg_scan_info> ScanAComponent();
// The same: progressive, the first `count` of 757 scans that no encoder would make, one for every
// bit plane of every coefficient of every component.
std::vector<jpeg_scan_info> ManyScans(size_t count);

// Decoded by plain libjpeg with its default settings.
ImageU8 PlainJpegDecode(const std::string& bytes);

struct PngOptions {
  int type = PNG_COLOR_TYPE_RGB;
  int depth = 8;
  bool interlaced = false;
  std::vector<png_color> palette = {};
  std::vector<uint8_t> palette_alpha = {};
  bool has_key = false;  // tRNS of grey and RGB: this colour is transparent
  png_color_16 key = {};
  std::string exif = {};   // contents of an eXIf chunk, none where empty
  bool with_text = false;  // a time and a text chunk
};
// rows hold packed samples as PNG stores them (16 bit: high byte first).
std::string MakePng(int width, const std::vector<std::string>& rows, const PngOptions& options);
std::string MakePng(const ImageU8& image, const PngOptions& options);

// The rows, one behind the other, of packed samples as a PNG stores them, by plain libpng.
std::string PlainPngSamples(const std::string& bytes);

// TIFF's types of whole numbers, and one that is none.
enum class TiffType { kByte = 1, kShort = 3, kLong = 4, kSbyte = 6, kUndefined, kSshort, kSlong };
// A TIFF block with nothing but an orientation.
std::string TiffOrientation(int orientation, bool big_endian, TiffType type = TiffType::kShort);
// The same as a JPEG's APP1 holds it.
std::string ExifOrientationBlock(int orientation, bool big_endian,
                                 TiffType type = TiffType::kShort);

}  // namespace i2crc::testing
