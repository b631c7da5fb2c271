// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

#include "i2crc/core/image.h"
#include "i2crc/labels/label_rules.h"

namespace i2crc {

struct ObjectLabelOptions {
  int object = 179;     // object map from which a pixel is a tag's object (0…255)
  int background = 26;  // up to which it is background
  int missed = 128;     // attention above it makes background doubtful: an object that was missed
  // Where photographs have several tags: whose the object is counts as certain where the strongest
  // attention is above `owner` and all others are below `rival`.
  int owner = 128;
  int rival = 51;
};

// What becomes of objects that may belong to more than one tag.
enum class Contested {
  kStrongest,  // the tag with the highest attention, the first on a tie
  kAnyTag      // kAnyTagLabel: one of the tags
};

// The initial label of one image by its object map (saliency, 255 salient): what stands out is what
// the photograph is tagged with. The paper's rule ignores half of the object pixels, those where
// attention is weak, and a network trained on such labels learns to see background.
//
//   object map ≥ object        a tag: the only one, or by attention
//   object map ≤ background    background, but ignored where a tag's attention is above `missed`
//   between                    ignored
//
// object_map and the maps have one channel and the same size (Error where not, naming the tag);
// maps in ascending order of tag, those without a map left out. Where `tags` is empty all is
// background; where it is not but no map is there, the first tag owns all (kStrongest) or all tags
// do (kAnyTag).
ImageU8 ObjectLabel(const ImageU8& object_map, std::span<const TagAttention> maps,
                    std::span<const int> tags, Contested contested,
                    const ObjectLabelOptions& options = {});

}  // namespace i2crc
