// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "i2crc/core/image.h"

namespace i2crc {

// The share of a map's pixels that it calls an object: 128 or more.
double SalientShare(const ImageU8& map);

// How much of each tag's objects a source of object maps sees, for all that is known: where
// attention is sure of a pixel. Attention lies on parts, but on parts of what the tag says.
class SeenOfTags {
 public:
  explicit SeenOfTags(int classes) : classes_(static_cast<size_t>(classes)) {}

  // One photograph, pixel by pixel: what the source says (0 … 1, an object), the highest attention
  // of a tag (0 … 1), and whose it is (0 … classes − 1). All as long, or Error.
  void Add(std::span<const float> map, std::span<const float> attention,
           std::span<const int64_t> tag);
  // The mean over photographs, 0 … 1, as if two more had shown half.
  double Of(int tag) const;

 private:
  struct Class {
    double sum = 0;
    int photographs = 0;
  };
  std::vector<Class> classes_;
};

// How much it counts, 0 … 1, where a source sees no object.
struct Denials {
  double a = 1, b = 1;
};
// Of two sources in a photograph of these tags: one that sees 0.9 of a tag's objects has a right to
// deny that there is one, one that sees half of them has less. By −log(1 − seen) of the tag that a
// source sees least of; 1 for the better source.
Denials DenialsOf(const SeenOfTags& a, const SeenOfTags& b, std::span<const int> tags);

// What two object maps (255: an object) say together that know nothing of one another: their log
// odds, clipped to those of 0.02 … 0.98, those below 0 times the source's denial, added up. So 0.5
// leaves the other as it is, and two of the same right that are sure of opposites end at 0.5.
// One channel and the same size, or Error.
ImageU8 PoolObjectMaps(const ImageU8& a, const ImageU8& b, const Denials& denials = {});

}  // namespace i2crc
