// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include "i2crc/core/image.h"
#include "i2crc/image/palette.h"

namespace i2crc {

// What the first bytes of a JPEG or PNG say. Cheap: no pixel is decoded.
struct ImageHeader {
  int height = 0;  // as people see the photograph: after EXIF orientation
  int width = 0;
  int channels = 0;  // as stored: 1 grey or palette, 2 grey+alpha, 3, 4 RGBA or CMYK
  bool palette = false;
};

// All readers and writers throw Error "FILE: cause". A side may have up to kMaxSide pixels.
inline constexpr int kMaxSide = 65500;

// Readers refuse an image of more pixels than this, and one that takes more memory to decode than
// an image of so many pixels usually does: for every thread that reads, since a small file may
// claim to be a huge one. One number for the whole process, to be set while no thread reads.
inline constexpr int64_t kDefaultMaxPixels = int64_t{1} << 28;
int64_t MaxPixels();
void SetMaxPixels(int64_t pixels);

ImageHeader ReadImageHeader(const std::filesystem::path& path);

// A photograph as people see it, RGB 8 bit: EXIF orientation applied, grey spread to RGB, CMYK and
// YCCK (Adobe's inverted ones too) converted, 16 bit reduced to 8, alpha laid on white, palettes
// looked up.
ImageU8 ReadPhotograph(const std::filesystem::path& path);

// A saliency or attention map: one channel, 8 bit. Grey PNG or JPEG of any bit depth (1, 2, 4 bits
// spread to 0…255, 16 reduced); RGB whose channels are equal counts as grey, other colours are an
// error.
ImageU8 ReadGrey(const std::filesystem::path& path);

// A mask: PNG with palette (its indices, the palette is not looked at) or 8-bit grey (its values).
// Anything else (RGB, 16 bit, JPEG) is an error, since such a file holds no class indices.
ImageU8 ReadMask(const std::filesystem::path& path);

// The same from memory; name stands in messages.
ImageHeader DecodeImageHeader(std::span<const uint8_t> bytes, const std::string& name);
ImageU8 DecodePhotograph(std::span<const uint8_t> bytes, const std::string& name);
ImageU8 DecodeGrey(std::span<const uint8_t> bytes, const std::string& name);
ImageU8 DecodeMask(std::span<const uint8_t> bytes, const std::string& name);

// Whole files or none, safe from a power cut with the next FlushFolder (core/atomic_file.h). Bytes
// depend on the pixels alone.
void WriteGreyPng(const std::filesystem::path& path, const ImageU8& grey);
// Indices that 8 bits cannot hold, as 16-bit grey.
void WriteGreyPng(const std::filesystem::path& path, const Image<uint16_t>& grey);
void WriteRgbPng(const std::filesystem::path& path, const ImageU8& rgb);
// All 256 palette entries are written.
void WriteMaskPng(const std::filesystem::path& path, const ImageU8& mask, const Palette& palette);
void WriteJpeg(const std::filesystem::path& path, const ImageU8& rgb, int quality = 95);

}  // namespace i2crc
