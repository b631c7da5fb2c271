// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <vector>

#include "i2crc/core/image.h"

namespace i2crc {

// The attention map of one tag at the score map's size (ALGORITHM.md, stage 2): negative scores to
// 0, then in f32 v/(max + 1e-8)·255, truncated. scores: row-major [height, width]. Throws Error
// where a score is not finite.
ImageU8 AttentionFromScores(std::span<const float> scores, int height, int width);

// The same enlarged to the photograph's size with OpenCV's bicubic rule on 8 bit.
ImageU8 EnlargeAttention(const ImageU8& attention_small, int height, int width);

// A tag's attention map in the photograph's size, 8 bit.
struct TagAttention {
  int tag;  // class index from 0
  ImageU8 map;
};

// Thresholds of stage 3; defaults are the authors'.
struct LabelRuleOptions {
  float object_floor = 0.3F;  // values of g below it count 0
  float attention_certain =
      0.5F;               // a tag's map above it marks the pixel as object for the doubt rule
  float conflict = 0.9F;  // more than one plane above it: ignored
  int doubt = 32;         // background where t reaches it: ignored (0…255)
  double min_foreground = 0.01;  // share of the pixels below which the whole mask is ignored
};

// The initial label of one image (stage 3, rules 1 to 6). saliency and the maps have one channel
// and the same size (Error where not, naming the tag); maps in ascending order of tag, tags without
// a map left out. All arithmetic in f32, each operation rounded. Rule 2 looks at the planes before
// the floor of rule 3, rule 4 after it.
ImageU8 InitialLabel(const ImageU8& saliency, std::span<const TagAttention> maps,
                     const LabelRuleOptions& options = {});

// The refined label of one training image (stage 5, rules 1 to 4). Sizes equal (Error where not).
// tags: class indices from 0 in any order. A prediction of 255 stays 255.
ImageU8 RefineLabel(const ImageU8& prediction, const ImageU8& initial_label,
                    std::span<const int> tags, double min_foreground = 0.01);

}  // namespace i2crc
