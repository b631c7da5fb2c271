// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "i2crc/core/image.h"

namespace i2crc {

// Exact counts of (truth, prediction) pixels over any number of images; mIoU and its relatives come
// from one matrix (ALGORITHM.md, stage 6). Truth 255 is passed over. A prediction of 255 (ignored)
// is counted apart, so that labels can be scored both ways.
class Confusion {
 public:
  explicit Confusion(int classes);  // background not counted

  // One channel each, sizes must be equal; a value that is neither ≤ classes nor 255 is an Error
  // (without a file name), also where the truth is 255. After an Error nothing of the image is
  // counted.
  void Add(const ImageU8& prediction, const ImageU8& truth);
  // The same for pixels counted elsewhere; prediction may be kIgnoreLabel.
  void AddCount(int truth, int prediction, uint64_t pixels);
  void Merge(const Confusion& other);

  int labels() const { return labels_; }  // classes + 1
  // label: 0 background, k + 1 class k.
  uint64_t count(int truth, int prediction) const;
  uint64_t ignored(int truth) const;  // pixels of that truth whose prediction is 255
  uint64_t truth_pixels(int truth) const;
  uint64_t pixels() const;  // all whose truth is not 255

  // How predictions of 255 are scored.
  enum class Ignored { kLeftOut, kAsBackground };
  // Empty where the label has no truth pixel (under kLeftOut: none that is predicted).
  std::optional<double> Iou(int label, Ignored ignored = Ignored::kAsBackground) const;
  double MeanIou(Ignored ignored = Ignored::kAsBackground) const;  // 0 where nothing was added
  double PixelAccuracy(Ignored ignored = Ignored::kAsBackground) const;
  // Predicted 255, of all pixels whose truth is not 255; 0 where nothing was added.
  double IgnoredShare() const;

 private:
  size_t Index(int truth, int prediction) const;  // prediction: label or kIgnoreLabel

  int labels_;
  std::vector<uint64_t> counts_;  // [truth][prediction], the last prediction column is 255
};

// mIoU of attention maps at every threshold 0.01 … 0.99 (ALGORITHM.md, stage 6): a pixel is
// background unless some tag's value A8/255 is above the threshold, else the tag with the largest
// value, the first on a tie. "Above step/100" is decided in integers, A8·100 > step·255, so 51/255
// is not above 0.20. Pixels are counted once, by value, not once a threshold.
class ThresholdCurve {
 public:
  explicit ThresholdCurve(int classes);

  // best_value and best_label come from CombineAttention. Errors as Confusion::Add.
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
  int best_step() const;

 private:
  int labels_;
  // [truth][label][value]; the 256 counts of a pair that never met are not there, since most pairs
  // never meet.
  std::vector<std::vector<uint64_t>> counts_;
};

// At each pixel the largest value over the maps and the label (tag + 1) that has it first. maps[k]
// is that of tags[k], in ascending order of tag; a tag without a map is left out of both. All maps
// have one channel and the same size (Error where not, naming the tag). Where there are no maps
// both become 0 everywhere, in the size that best_value came with.
void CombineAttention(std::span<const ImageU8> maps, std::span<const int> tags, ImageU8& best_value,
                      ImageU8& best_label);

}  // namespace i2crc
