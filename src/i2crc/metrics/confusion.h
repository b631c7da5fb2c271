// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "i2crc/core/image.h"

namespace i2crc {

// Exact counts of (truth, prediction) pixels over any number of images; mIoU and its relatives come from one matrix
// (ALGORITHM.md, stage 6). Truth 255 is passed over. A prediction of 255 (ignored) is counted apart, so that labels
// can be scored both ways.
class Confusion {
 public:
  explicit Confusion(int classes);  // background not counted

  // Sizes must be equal; a value that is neither ≤ classes nor 255 is an Error (without a file name).
  void Add(const ImageU8& prediction, const ImageU8& truth);
  void Merge(const Confusion& other);

  int labels() const { return labels_; }  // classes + 1
  // label: 0 background, k + 1 class k.
  uint64_t count(int truth, int prediction) const;
  uint64_t ignored(int truth) const;  // pixels of that truth whose prediction is 255

  // How predictions of 255 are scored.
  enum class Ignored { kLeftOut, kAsBackground };
  // Empty where the label has no truth pixel (under kLeftOut: none that is predicted).
  std::optional<double> Iou(int label, Ignored ignored = Ignored::kAsBackground) const;
  double MeanIou(Ignored ignored = Ignored::kAsBackground) const;  // 0 where nothing was added
  double PixelAccuracy(Ignored ignored = Ignored::kAsBackground) const;
  double IgnoredShare() const;

 private:
  int labels_;
  std::vector<uint64_t> counts_;   // [truth][prediction], the last prediction column is 255
};

// mIoU of attention maps at every threshold 0.01 … 0.99 (ALGORITHM.md, stage 6): a pixel is background unless some
// tag's value A8/255 is above the threshold, else the tag with the largest value, the first on a tie. Pixels are
// counted once, by value, not once a threshold.
class ThresholdCurve {
 public:
  explicit ThresholdCurve(int classes);

  // maps in ascending order of tag; a tag without a map is left out. best_value and best_label come from
  // CombineAttention.
  void Add(const ImageU8& best_value, const ImageU8& best_label, const ImageU8& truth);
  void Merge(const ThresholdCurve& other);

  static constexpr int kSteps = 99;
  // step 1 … 99, threshold step/100.
  Confusion At(int step) const;
  struct Best {
    double threshold;
    double mean_iou;
  };
  Best best() const;  // the first on a tie

 private:
  int labels_;
  std::vector<uint64_t> counts_;  // [truth][label][value]
};

// At each pixel the largest value over the maps and the label (tag + 1) that has it first; value 0 and label 0 where
// there are no maps.
void CombineAttention(std::span<const ImageU8> maps, std::span<const int> tags, ImageU8& best_value,
                      ImageU8& best_label);

}  // namespace i2crc
