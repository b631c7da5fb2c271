// SPDX-License-Identifier: Apache-2.0
#include "i2crc/image/made_files.h"

#include <algorithm>
#include <cstdlib>
#include <stdexcept>
#include <string_view>

namespace i2crc::testing {
namespace {

void AppendPng(png_structp png, png_bytep bytes, size_t count) {
  static_cast<std::string*>(png_get_io_ptr(png))
      ->append(reinterpret_cast<const char*>(bytes), count);
}

void TakePng(png_structp png, png_bytep to, size_t count) {
  auto* left = static_cast<std::string_view*>(png_get_io_ptr(png));
  if (count > left->size()) png_error(png, "too short");
  left->copy(reinterpret_cast<char*>(to), count);
  left->remove_prefix(count);
}

void Flush(png_structp) {}

void OnPngError(png_structp, png_const_charp what) {
  std::fprintf(stderr, "libpng in a test: %s\n", what);
  std::abort();
}

}  // namespace

std::string MakeJpeg(const ImageU8& image, const JpegOptions& options) {
  jpeg_error_mgr errors;
  jpeg_compress_struct info = {};
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  unsigned char* bytes = nullptr;
  unsigned long count = 0;
  jpeg_mem_dest(&info, &bytes, &count);
  info.image_width = static_cast<JDIMENSION>(image.width());
  info.image_height = static_cast<JDIMENSION>(image.height());
  info.input_components = image.channels();
  info.in_color_space = options.given;
  jpeg_set_defaults(&info);
  jpeg_set_colorspace(&info, options.stored);
  jpeg_set_quality(&info, 100, TRUE);
  for (int c = 0; c < info.num_components; ++c)
    info.comp_info[c].h_samp_factor = info.comp_info[c].v_samp_factor = 1;
  info.write_Adobe_marker = options.adobe_marker ? TRUE : FALSE;
  info.arith_code = options.arithmetic ? TRUE : FALSE;
  if (options.progressive) jpeg_simple_progression(&info);
  if (!options.scans.empty()) {
    info.scan_info = options.scans.data();
    info.num_scans = static_cast<int>(options.scans.size());
  }
  jpeg_start_compress(&info, TRUE);
  if (!options.app1.empty())
    jpeg_write_marker(&info, JPEG_APP0 + 1, reinterpret_cast<const JOCTET*>(options.app1.data()),
                      static_cast<unsigned>(options.app1.size()));
  for (int y = 0; y < image.height(); ++y) {
    JSAMPROW row = const_cast<JSAMPROW>(image.row(y));
    jpeg_write_scanlines(&info, &row, 1);
  }
  jpeg_finish_compress(&info);
  std::string out(reinterpret_cast<const char*>(bytes), count);
  jpeg_destroy_compress(&info);
  std::free(bytes);
  return out;
}

std::vector<jpeg_scan_info> ScanAComponent() {
  std::vector<jpeg_scan_info> scans;
  for (int component = 0; component < 3; ++component)
    scans.push_back({1, {component}, 0, 63, 0, 0});
  return scans;
}

std::vector<jpeg_scan_info> ManyScans(size_t count) {
  std::vector<jpeg_scan_info> scans;
  scans.push_back({3, {0, 1, 2}, 0, 0, 0, 0});
  for (int bit = 3; bit >= 0; --bit)
    for (int component = 0; component < 3; ++component)
      for (int k = 1; k < 64; ++k)
        scans.push_back({1, {component}, k, k, bit == 3 ? 0 : bit + 1, bit});
  scans.resize(std::min(count, scans.size()));
  return scans;
}

ImageU8 PlainJpegDecode(const std::string& bytes) {
  jpeg_error_mgr errors;
  jpeg_decompress_struct info = {};
  info.err = jpeg_std_error(&errors);
  jpeg_create_decompress(&info);
  jpeg_mem_src(&info, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
  jpeg_read_header(&info, TRUE);
  jpeg_start_decompress(&info);
  ImageU8 image(static_cast<int>(info.output_height), static_cast<int>(info.output_width),
                info.output_components);
  while (info.output_scanline < info.output_height) {
    JSAMPROW row = image.row(static_cast<int>(info.output_scanline));
    jpeg_read_scanlines(&info, &row, 1);
  }
  jpeg_finish_decompress(&info);
  jpeg_destroy_decompress(&info);
  return image;
}

std::string MakePng(int width, const std::vector<std::string>& rows, const PngOptions& options) {
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, OnPngError, nullptr);
  png_infop info = png_create_info_struct(png);
  std::string out;
  png_set_write_fn(png, &out, AppendPng, Flush);
  png_set_IHDR(png, info, static_cast<png_uint_32>(width), static_cast<png_uint_32>(rows.size()),
               options.depth, options.type,
               options.interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  // A write may hold wrong indices on purpose.
  png_set_check_for_invalid_index(png, 0);
  if (!options.palette.empty())
    png_set_PLTE(png, info, options.palette.data(), static_cast<int>(options.palette.size()));
  if (!options.palette_alpha.empty())
    png_set_tRNS(png, info, options.palette_alpha.data(),
                 static_cast<int>(options.palette_alpha.size()), nullptr);
  if (options.has_key) png_set_tRNS(png, info, nullptr, 0, &options.key);
  std::string exif = options.exif;
  if (!exif.empty())
    png_set_eXIf_1(png, info, static_cast<png_uint_32>(exif.size()),
                   reinterpret_cast<png_bytep>(exif.data()));
  if (options.with_text) {
    const png_time time = {2021, 4, 1, 12, 30, 0};
    png_set_tIME(png, info, &time);
    std::string key = "Comment", value = "hand-made";
    png_text text = {};
    text.compression = PNG_TEXT_COMPRESSION_NONE;
    text.key = key.data();
    text.text = value.data();
    text.text_length = value.size();
    png_set_text(png, info, &text, 1);
  }
  png_write_info(png, info);
  std::vector<std::string> copies = rows;
  std::vector<png_bytep> pointers;
  for (std::string& row : copies) pointers.push_back(reinterpret_cast<png_bytep>(row.data()));
  png_write_image(png, pointers.data());
  png_write_end(png, info);
  png_destroy_write_struct(&png, &info);
  return out;
}

std::string MakePng(const ImageU8& image, const PngOptions& options) {
  std::vector<std::string> rows;
  for (int y = 0; y < image.height(); ++y)
    rows.emplace_back(reinterpret_cast<const char*>(image.row(y)),
                      static_cast<size_t>(image.width()) * static_cast<size_t>(image.channels()));
  return MakePng(image.width(), rows, options);
}

std::string PlainPngSamples(const std::string& bytes) {
  png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, nullptr, OnPngError, nullptr);
  png_infop info = png_create_info_struct(png);
  std::string_view left = bytes;
  png_set_read_fn(png, &left, TakePng);
  png_read_png(png, info, PNG_TRANSFORM_IDENTITY, nullptr);
  std::string samples;
  for (png_uint_32 y = 0; y < png_get_image_height(png, info); ++y)
    samples.append(reinterpret_cast<const char*>(png_get_rows(png, info)[y]),
                   png_get_rowbytes(png, info));
  png_destroy_read_struct(&png, &info, nullptr);
  return samples;
}

std::string TiffOrientation(int orientation, bool big_endian, TiffType type) {
  std::string out;
  const auto put = [&](unsigned value, int count) {
    for (int i = 0; i < count; ++i) {
      const int shift = 8 * (big_endian ? count - 1 - i : i);
      out.push_back(static_cast<char>(value >> shift & 0xFFU));
    }
  };
  const bool is_short = type == TiffType::kShort || type == TiffType::kSshort;
  const bool is_long = type == TiffType::kLong || type == TiffType::kSlong;
  const int size = is_long ? 4 : is_short ? 2 : 1;
  out = big_endian ? "MM" : "II";
  put(42, 2);
  put(8, 4);       // the first directory
  put(1, 2);       // one entry
  put(0x0112, 2);  // Orientation
  put(static_cast<unsigned>(type), 2);
  put(1, 4);
  put(static_cast<unsigned>(orientation), size);
  put(0, 4 - size);
  put(0, 4);  // no further directory
  return out;
}

std::string ExifOrientationBlock(int orientation, bool big_endian, TiffType type) {
  return std::string("Exif\0\0", 6) + TiffOrientation(orientation, big_endian, type);
}

}  // namespace i2crc::testing
