// SPDX-License-Identifier: Apache-2.0
#include "i2crc/labels/object_label.h"

#include <cstddef>

#include "i2crc/core/error.h"

namespace i2crc {
namespace {

// The strongest attention at a pixel, whose it is, and the next to it.
struct Strongest {
  int attention = 0;
  int second = 0;
  int label = 0;
};

Strongest StrongestAt(std::span<const TagAttention> maps, size_t p) {
  Strongest strongest;
  for (const auto& [tag, map] : maps) {
    const int attention = map.data()[p];
    if (strongest.label == 0 || attention > strongest.attention) {
      strongest.second = strongest.attention;
      strongest.attention = attention;
      strongest.label = tag + 1;
    } else if (attention > strongest.second) {
      strongest.second = attention;
    }
  }
  return strongest;
}

void CheckSizes(const ImageU8& object_map, std::span<const TagAttention> maps) {
  if (object_map.channels() != 1) Fail("the object map must have one channel");
  for (const auto& [tag, map] : maps)
    if (map.channels() != 1 || !map.SameSize(object_map))
      Fail("the attention map of tag {} has {}x{} pixels, the object map {}x{}", tag, map.width(),
           map.height(), object_map.width(), object_map.height());
}

}  // namespace

ImageU8 ObjectLabel(const ImageU8& object_map, std::span<const TagAttention> maps,
                    std::span<const int> tags, Contested contested,
                    const ObjectLabelOptions& options) {
  CheckSizes(object_map, maps);
  ImageU8 mask(object_map.height(), object_map.width(), 1, 0);
  if (tags.empty()) return mask;
  const int only = tags.front() + 1;
  for (size_t p = 0; p < mask.pixels(); ++p) {
    const int object = object_map.data()[p];
    const Strongest strongest = StrongestAt(maps, p);
    const bool is_certain = tags.size() == 1 || (strongest.attention > options.owner &&
                                                 strongest.second < options.rival);
    int label = kIgnoreLabel;
    if (object >= options.object) {
      label = strongest.label != 0 && tags.size() > 1 ? strongest.label : only;
      if (!is_certain && contested == Contested::kAnyTag) label = kAnyTagLabel;
    } else if (object <= options.background && strongest.attention <= options.missed) {
      label = 0;
    }
    mask.data()[p] = static_cast<uint8_t>(label);
  }
  return mask;
}

}  // namespace i2crc
