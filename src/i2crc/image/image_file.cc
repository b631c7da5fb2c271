// SPDX-License-Identifier: Apache-2.0
#include "i2crc/image/image_file.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <string_view>
#include <utility>

#include "i2crc/core/atomic_file.h"
#include "i2crc/image/jpeg_codec.h"
#include "i2crc/image/png_codec.h"

namespace fs = std::filesystem;

namespace i2crc {
namespace {

using internal::DecodeJpeg;
using internal::DecodePngColours;

constexpr size_t kMaxFileBytes = size_t{1} << 30;
// Reaches the size and the EXIF block of nearly every file.
constexpr size_t kHeaderBytes = size_t{1} << 16;

enum class Format { kJpeg, kPng };

// By content: names lie often enough.
Format TellFormat(std::span<const uint8_t> bytes, const std::string& name) {
  using namespace std::string_view_literals;
  if (bytes.empty()) Fail("{}: empty file", name);
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (text.starts_with("\xFF\xD8\xFF"sv)) return Format::kJpeg;
  if (text.starts_with("\x89PNG\r\n\x1A\n"sv)) return Format::kPng;
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 5> kOthers = {
      {{"GIF8"sv, "GIF"sv},
       {"BM"sv, "BMP"sv},
       {"RIFF"sv, "WebP"sv},
       {"II*\0"sv, "TIFF"sv},
       {"MM\0*"sv, "TIFF"sv}}};
  for (const auto& [magic, format] : kOthers)
    if (text.starts_with(magic)) Fail("{}: looks like {}, convert it to JPEG or PNG", name, format);
  Fail("{}: neither JPEG nor PNG", name);
}

std::span<const uint8_t> AsBytes(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

// A colour c with alpha a on white: (c·a + 255·(255 − a)) / 255, rounded.
uint8_t OnWhite(unsigned colour, unsigned alpha) {
  return static_cast<uint8_t>((colour * alpha + 255 * (255 - alpha) + 127) / 255);
}

ImageU8 ToRgb(ImageU8 image) {
  const int channels = image.channels();
  if (channels == 3) return image;
  const bool grey = channels <= 2;
  const bool has_alpha = channels % 2 == 0;
  ImageU8 rgb(image.height(), image.width(), 3);
  const uint8_t* from = image.data();
  uint8_t* to = rgb.data();
  for (size_t i = 0; i < image.pixels(); ++i, from += channels)
    for (int c = 0; c < 3; ++c) {
      const uint8_t colour = from[grey ? 0 : c];
      *to++ = has_alpha ? OnWhite(colour, from[channels - 1]) : colour;
    }
  return rgb;
}

ImageU8 ToGrey(ImageU8 image, const std::string& name) {
  const int channels = image.channels();
  if (channels == 1) return image;
  ImageU8 grey(image.height(), image.width(), 1);
  const uint8_t* from = image.data();
  for (uint8_t& value : grey.values()) {
    if (channels >= 3 && (from[0] != from[1] || from[0] != from[2]))
      Fail("{}: a map must be grey, this image has colours", name);
    if (channels % 2 == 0 && from[channels - 1] != 255)
      Fail("{}: a map must be opaque, this image has transparent pixels", name);
    value = from[0];
    from += channels;
  }
  return grey;
}

}  // namespace

ImageHeader DecodeImageHeader(std::span<const uint8_t> bytes, const std::string& name) {
  return TellFormat(bytes, name) == Format::kJpeg ? internal::JpegHeader(bytes, name)
                                                  : internal::PngHeader(bytes, name);
}

ImageU8 DecodePhotograph(std::span<const uint8_t> bytes, const std::string& name) {
  return ToRgb(TellFormat(bytes, name) == Format::kJpeg ? DecodeJpeg(bytes, name)
                                                        : DecodePngColours(bytes, name));
}

ImageU8 DecodeGrey(std::span<const uint8_t> bytes, const std::string& name) {
  return ToGrey(TellFormat(bytes, name) == Format::kJpeg ? DecodeJpeg(bytes, name)
                                                         : DecodePngColours(bytes, name),
                name);
}

ImageU8 DecodeMask(std::span<const uint8_t> bytes, const std::string& name) {
  if (TellFormat(bytes, name) == Format::kJpeg)
    Fail("{}: a mask must be a PNG with palette or 8-bit grey, this is a JPEG", name);
  return internal::DecodePngIndices(bytes, name);
}

ImageHeader ReadImageHeader(const fs::path& path) {
  std::string start(kHeaderBytes, '\0');
  std::ifstream in(path, std::ios::binary);
  in.read(start.data(), static_cast<std::streamsize>(start.size()));
  start.resize(static_cast<size_t>(std::max<std::streamsize>(in.gcount(), 0)));
  if (start.size() == kHeaderBytes) {
    try {
      return DecodeImageHeader(AsBytes(start), path.string());
    } catch (const Error&) {
      // A longer header, or a bad file: the whole of it decides.
    }
  }
  return DecodeImageHeader(AsBytes(ReadWholeFile(path, kMaxFileBytes)), path.string());
}

ImageU8 ReadPhotograph(const fs::path& path) {
  return WithMemoryFor(path.native(), [&] {
    return DecodePhotograph(AsBytes(ReadWholeFile(path, kMaxFileBytes)), path.string());
  });
}

ImageU8 ReadGrey(const fs::path& path) {
  return WithMemoryFor(path.native(), [&] {
    return DecodeGrey(AsBytes(ReadWholeFile(path, kMaxFileBytes)), path.string());
  });
}

ImageU8 ReadMask(const fs::path& path) {
  return WithMemoryFor(path.native(), [&] {
    return DecodeMask(AsBytes(ReadWholeFile(path, kMaxFileBytes)), path.string());
  });
}

namespace {

template <typename Encode>
void WriteEncoded(const fs::path& path, const Encode& encode) {
  WithMemoryFor(path.native(), [&] { WriteFileAtomically(path, encode(), Flush::kLater); });
}

}  // namespace

void WriteGreyPng(const fs::path& path, const ImageU8& grey) {
  ENSURE(grey.channels() == 1, "{}: {} channels", path.string(), grey.channels());
  WriteEncoded(path, [&] { return internal::EncodePng(grey, nullptr, path.string()); });
}

void WriteGreyPng(const fs::path& path, const Image<uint16_t>& grey) {
  WriteEncoded(path, [&] { return internal::EncodePng(grey, path.string()); });
}

void WriteRgbPng(const fs::path& path, const ImageU8& rgb) {
  ENSURE(rgb.channels() == 3, "{}: {} channels", path.string(), rgb.channels());
  WriteEncoded(path, [&] { return internal::EncodePng(rgb, nullptr, path.string()); });
}

void WriteMaskPng(const fs::path& path, const ImageU8& mask, const Palette& palette) {
  ENSURE(mask.channels() == 1, "{}: {} channels", path.string(), mask.channels());
  WriteEncoded(path, [&] { return internal::EncodePng(mask, &palette, path.string()); });
}

void WriteJpeg(const fs::path& path, const ImageU8& rgb, int quality) {
  WriteEncoded(path, [&] { return internal::EncodeJpeg(rgb, quality, path.string()); });
}

}  // namespace i2crc
