// SPDX-License-Identifier: Apache-2.0
#include "i2crc/inputs/mask_set.h"

#include <algorithm>
#include <system_error>

#include "i2crc/core/atomic_file.h"
#include "i2crc/core/error.h"
#include "i2crc/image/image_file.h"

namespace fs = std::filesystem;

namespace i2crc {
namespace {

void CheckStillThatSize(const SizedFile& checked, const ImageU8& image) {
  if (image.height() != checked.height || image.width() != checked.width)
    Fail("{}: {} is {}x{} now, was {}x{} when checked; did something else write it?",
         checked.path.string(), checked.kind, image.width(), image.height(), checked.width,
         checked.height);
}

ImageHeader HeaderOf(const fs::path& path, const std::string& kind) {
  if (!FileIsThere(path)) Fail("{}: {} is missing", path.string(), kind);
  return ReadImageHeader(path);
}

}  // namespace

SizedFile CheckMap(const fs::path& path, const std::string& kind) {
  const ImageHeader header = HeaderOf(path, kind);
  return {path, kind, header.height, header.width};
}

SizedFile CheckMask(const fs::path& path, const std::string& kind) {
  const ImageHeader header = HeaderOf(path, kind);
  if (header.channels != 1)
    Fail("{}: {} has {} channels; class indices need a PNG with palette or 8-bit grey",
         path.string(), kind, header.channels);
  return {path, kind, header.height, header.width};
}

void CheckSameSize(const SizedFile& file, const SizedFile& reference) {
  if (file.height == reference.height && file.width == reference.width) return;
  Fail("{}: {} is {}x{}, its {} {} is {}x{}", file.path.string(), file.kind, file.width,
       file.height, reference.kind, reference.path.string(), reference.width, reference.height);
}

fs::path AttentionPath(const fs::path& cams, const std::string& id, int tag) {
  return cams / fmt::format("{}_{}.png", id, tag);
}

std::vector<int> CheckAttention(const fs::path& cams, const ListedImage& image,
                                const SizedFile& reference) {
  std::vector<int> tags;
  for (const int tag : image.tags) {
    const fs::path path = AttentionPath(cams, image.id, tag);
    if (!FileIsThere(path)) continue;
    CheckSameSize(CheckMap(path, "attention map"), reference);
    tags.push_back(tag);
  }
  return tags;
}

std::vector<TagAttention> ReadAttention(const fs::path& cams, const std::string& id,
                                        const std::vector<int>& tags, int height, int width) {
  std::vector<TagAttention> maps;
  maps.reserve(tags.size());
  for (const int tag : tags) {
    const fs::path path = AttentionPath(cams, id, tag);
    if (FileIsThere(path))
      maps.push_back({tag, ReadCheckedGrey({path, "attention map", height, width})});
  }
  return maps;
}

ImageU8 ReadCheckedGrey(const SizedFile& checked) {
  ImageU8 grey = ReadGrey(checked.path);
  CheckStillThatSize(checked, grey);
  return grey;
}

ImageU8 ReadCheckedMask(const SizedFile& checked, int classes, AnyTag any_tag) {
  const bool takes_any_tag = any_tag == AnyTag::kTaken && HasAnyTagLabel(classes);
  ImageU8 mask = ReadMask(checked.path);
  CheckStillThatSize(checked, mask);
  const auto wrong = std::find_if(mask.values().begin(), mask.values().end(), [&](uint8_t value) {
    return value > classes && value != kIgnoreLabel && !(takes_any_tag && value == kAnyTagLabel);
  });
  if (wrong == mask.values().end()) return mask;
  const auto at = static_cast<size_t>(wrong - mask.values().begin());
  const auto width = static_cast<size_t>(mask.width());
  Fail("{}: {} has the value {} at column {}, row {}, but {} classes allow 0 to {} and 255",
       checked.path.string(), checked.kind, *wrong, at % width, at / width, classes, classes);
}

void CheckOutFolder(const fs::path& out,
                    std::initializer_list<std::pair<const char*, const fs::path*>> inputs) {
  CheckWritable(out, "--out " + out.string());
  for (const auto& [option, folder] : inputs) {
    std::error_code ignored;
    if (fs::equivalent(out, *folder, ignored))
      Fail("--out {}: is the folder of {} too, whose files would be overwritten", out.string(),
           option);
  }
}

void MaskCounts::Add(const ImageU8& mask) {
  const auto ignored =
      static_cast<uint64_t>(std::count(mask.values().begin(), mask.values().end(), kIgnoreLabel));
  ++images;
  if (ignored == mask.pixels()) ++wholly_ignored;
  pixels += mask.pixels();
  ignored_pixels += ignored;
}

double MaskCounts::ignored_share() const {
  return pixels == 0 ? 0 : static_cast<double>(ignored_pixels) / static_cast<double>(pixels);
}

}  // namespace i2crc
