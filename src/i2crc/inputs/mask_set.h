// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "i2crc/core/image.h"
#include "i2crc/data/class_names.h"
#include "i2crc/data/image_list.h"
#include "i2crc/labels/label_rules.h"

namespace i2crc {

// What the steps that go from maps and masks to masks have in common: checks and counts.

// A map or mask and its size, for messages: "DIR/a.png: prediction is 4x3, its label …".
struct SizedFile {
  std::filesystem::path path;
  std::string kind;
  int height = 0;
  int width = 0;
};

// The file is there and its header can be read. No pixel is decoded.
SizedFile CheckMap(const std::filesystem::path& path, const std::string& kind);
// The same, and one channel a pixel, as class indices have.
SizedFile CheckMask(const std::filesystem::path& path, const std::string& kind);
// Throws Error naming both files where their sizes differ.
void CheckSameSize(const SizedFile& file, const SizedFile& reference);

// ID_k.png
std::filesystem::path AttentionPath(const std::filesystem::path& cams, const std::string& id,
                                    int tag);
// The tags of an image that have an attention map in cams, in order. Their headers are read and
// their sizes compared with the reference's.
std::vector<int> CheckAttention(const std::filesystem::path& cams, const ListedImage& image,
                                const SizedFile& reference);

// The maps of those of an image's tags that have one.
std::vector<TagAttention> ReadAttention(const std::filesystem::path& cams, const std::string& id,
                                        const std::vector<int>& tags, int height, int width);

// What stands in the file, whose size must be the one that was checked before: a file may change
// while a step works.
ImageU8 ReadCheckedGrey(const SizedFile& checked);
// Whether a mask may say "one of the tags" (kAnyTagLabel).
enum class AnyTag { kRefused, kTaken };
// All values are ≤ classes or 255, or where it is taken and there are few enough classes 254;
// otherwise Error with the first that is not.
ImageU8 ReadCheckedMask(const SizedFile& checked, int classes, AnyTag any_tag = AnyTag::kRefused);

// The folder that a step writes to can be written to or made, and is none of its inputs (pairs of
// option and folder), whose files would be overwritten.
void CheckOutFolder(
    const std::filesystem::path& out,
    std::initializer_list<std::pair<const char*, const std::filesystem::path*>> inputs);

// Counts over the masks that a step made.
struct MaskCounts {
  int64_t images = 0;
  int64_t wholly_ignored = 0;  // of these: nothing but 255
  uint64_t pixels = 0;
  uint64_t ignored_pixels = 0;

  void Add(const ImageU8& mask);
  // Of all pixels, 0…1; 0 where there are none.
  double ignored_share() const;
};

}  // namespace i2crc
