// SPDX-License-Identifier: Apache-2.0
#include "i2crc/labels/label_rules.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "i2crc/core/error.h"
#include "i2crc/image/resize.h"

namespace i2crc {
namespace {

// Keeps a division by a map without any score, or without contrast, from being 0/0.
constexpr float kTiny = 1e-8F;

// What one plane of g (background or a tag) says of each of its 256 possible values, so that every
// float operation is done 256 times an image instead of once a pixel.
struct Verdict {
  float score;       // g after the floor of rule 3
  uint8_t conflict;  // 1 where that is above options.conflict
  uint8_t certain;   // 255 where g before the floor is above options.attention_certain, else 0
};
using PlaneTable = std::array<Verdict, 256>;

PlaneTable MakeTable(const std::array<float, 256>& g, const LabelRuleOptions& options) {
  PlaneTable table{};
  for (size_t v = 0; v < 256; ++v) {
    const float score = g[v] < options.object_floor ? 0.0F : g[v];
    table[v] = {.score = score,
                .conflict = score > options.conflict ? uint8_t{1} : uint8_t{0},
                .certain = g[v] > options.attention_certain ? uint8_t{255} : uint8_t{0}};
  }
  return table;
}

PlaneTable BackgroundTable(const LabelRuleOptions& options) {
  std::array<float, 256> g{};
  for (size_t v = 0; v < 256; ++v) g[v] = 1.0F - static_cast<float>(v) / 255.0F;
  return MakeTable(g, options);
}

PlaneTable TagTable(const ImageU8& map, const LabelRuleOptions& options) {
  // A plain loop becomes SIMD where std::minmax_element does not.
  uint8_t low = 255, high = 0;
  for (uint8_t value : map.values()) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
  const float min = low, max = high;
  const float range = (max - min) + kTiny;
  std::array<float, 256> g{};
  for (size_t v = 0; v < 256; ++v) g[v] = (static_cast<float>(v) - min) / range;
  return MakeTable(g, options);
}

struct Plane {
  const uint8_t* values;
  int label;
  PlaneTable table;
};

// Rules 2 to 5 for pixel i. Without branches but for the loop: which plane wins changes too often
// to be guessed.
uint8_t PixelLabel(const PlaneTable& background, uint8_t salient, std::span<const Plane> tags,
                   size_t i, int doubt) {
  float best = background[salient].score;
  int conflicting = background[salient].conflict;
  int label = 0;
  int object = salient;  // t of rule 2
  for (const Plane& tag : tags) {
    const Verdict verdict = tag.table[tag.values[i]];
    label = verdict.score > best ? tag.label : label;
    best = std::max(verdict.score, best);
    conflicting += verdict.conflict;
    object = std::max(object, int{verdict.certain});
  }
  const bool ignored = (conflicting > 1) | ((label == 0) & (object >= doubt));
  return ignored ? kIgnoreLabel : static_cast<uint8_t>(label);
}

void CheckSameSize(const ImageU8& image, const ImageU8& reference, const std::string& what,
                   const char* reference_name) {
  if (image.channels() != 1 || reference.channels() != 1)
    Fail("{} and the {} must have one channel", what, reference_name);
  if (!image.SameSize(reference))
    Fail("{} has {}x{} pixels, the {} {}x{}", what, image.width(), image.height(), reference_name,
         reference.width(), reference.height());
}

// Rule 6 of the labels, rule 4 of the refinement. The share is a division because that is exact
// where it matters: 1 of 100 pixels is the double nearest to 0.01, and so is the threshold, while
// 0.01·700 is more than 7.
void IgnoreWhereForegroundIsRare(ImageU8& mask, double min_foreground) {
  const auto foreground = std::count_if(mask.values().begin(), mask.values().end(),
                                        [](uint8_t v) { return v != 0 && v != kIgnoreLabel; });
  if (static_cast<double>(foreground) / static_cast<double>(mask.pixels()) < min_foreground)
    std::fill(mask.values().begin(), mask.values().end(), kIgnoreLabel);
}

}  // namespace

ImageU8 AttentionFromScores(std::span<const float> scores, int height, int width) {
  ImageU8 attention(height, width, 1);
  ENSURE(scores.size() == attention.pixels(), "{} scores for {}x{}", scores.size(), height, width);
  float max = 0.0F;
  for (float score : scores) {
    if (!std::isfinite(score))
      Fail("an attention score is {}: the network's weights are no good", score);
    max = std::max(max, score);
  }
  const float divisor = max + kTiny;
  for (size_t i = 0; i < scores.size(); ++i)
    attention.values()[i] = static_cast<uint8_t>(std::max(scores[i], 0.0F) / divisor * 255.0F);
  return attention;
}

ImageU8 EnlargeAttention(const ImageU8& attention_small, int height, int width) {
  return ResizeOpenCvCubic(attention_small, height, width);
}

ImageU8 InitialLabel(const ImageU8& saliency, std::span<const TagAttention> maps,
                     const LabelRuleOptions& options) {
  // A plane that is 0 everywhere can then neither win nor conflict, so only the tags' planes are
  // looked at.
  ENSURE(options.conflict >= 0.0F, "conflict threshold {}", options.conflict);
  std::vector<Plane> tags;
  tags.reserve(maps.size());
  for (size_t k = 0; k < maps.size(); ++k) {
    const auto& [tag, map] = maps[k];
    ENSURE(tag >= 0 && tag < kMaxClasses && (k == 0 || maps[k - 1].tag < tag), "tag {}", tag);
    CheckSameSize(map, saliency, fmt::format("the attention map of tag {}", tag), "saliency map");
    tags.push_back({map.data(), tag + 1, TagTable(map, options)});
  }

  const PlaneTable background = BackgroundTable(options);
  ImageU8 mask(saliency.height(), saliency.width(), 1);
  for (size_t i = 0; i < mask.pixels(); ++i)
    mask.data()[i] = PixelLabel(background, saliency.data()[i], tags, i, options.doubt);
  IgnoreWhereForegroundIsRare(mask, options.min_foreground);
  return mask;
}

ImageU8 RefineLabel(const ImageU8& prediction, const ImageU8& initial_label,
                    std::span<const int> tags, double min_foreground) {
  CheckSameSize(prediction, initial_label, "the prediction", "initial label");
  std::array<uint8_t, 256> allowed;  // rule 1 by value
  allowed.fill(kIgnoreLabel);
  allowed[0] = 0;
  for (int tag : tags) {
    ENSURE(tag >= 0 && tag < kMaxClasses, "tag {}", tag);
    allowed[static_cast<size_t>(tag) + 1] = static_cast<uint8_t>(tag + 1);
  }

  ImageU8 mask(prediction.height(), prediction.width(), 1);
  std::array<bool, 256> present{};
  const bool several_tags =
      std::any_of(tags.begin(), tags.end(), [&](int tag) { return tag != tags.front(); });
  for (size_t i = 0; i < mask.pixels(); ++i) {
    const uint8_t predicted = prediction.values()[i];
    const bool from_initial = several_tags && predicted == 0;
    const uint8_t label = from_initial ? initial_label.values()[i] : allowed[predicted];
    mask.values()[i] = label;
    present[label] = true;
  }
  const bool tag_lost = std::any_of(
      tags.begin(), tags.end(), [&](int tag) { return !present[static_cast<size_t>(tag) + 1]; });
  if (tag_lost) std::replace(mask.values().begin(), mask.values().end(), uint8_t{0}, kIgnoreLabel);
  IgnoreWhereForegroundIsRare(mask, min_foreground);
  return mask;
}

}  // namespace i2crc
