// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "i2crc/metrics/confusion.h"

namespace i2crc {

// What an evaluation looked at, counted by who adds the images.
struct ScoredImages {
  uint64_t scored = 0;
  uint64_t wholly_ignored = 0;  // of these: nothing but 255 predicted
  uint64_t left_out = 0;        // not scored, because something of them was missing or broken
};

// The scores of predictions, labels or attention maps against the truth, as eval prints and writes
// them.
struct ScoreReport {
  struct Row {
    std::string name;
    std::optional<double> iou;  // ignored predictions count as background; empty: not in the truth
    std::optional<double> iou_left_out;  // ignored predictions left out
    uint64_t truth_pixels = 0;
  };

  std::vector<Row> rows;  // background first
  ScoredImages images;
  uint64_t pixels = 0;
  double pixel_accuracy = 0;  // ignored predictions count as background
  double ignored_share = 0;   // 0…1
  double mean_iou_ignored_as_background = 0;
  double mean_iou_ignored_left_out = 0;
  std::vector<double> curve;  // attention maps: mIoU at threshold (i + 1)/100, else empty
  std::optional<double> best_threshold;  // and where the rest of the report was taken

  double mean_iou() const { return mean_iou_ignored_as_background; }

  // Scores are 0…1 in f64; keys and their order are the same for the same kind of report. Depends
  // on the counts alone.
  nlohmann::ordered_json ToJson() const;
  // A table for people: class, IoU in %, pixels of the truth; the last line is the mIoU.
  std::string ToText() const;
};

// class_names without background, as many as the confusion has classes.
ScoreReport MakeScoreReport(const Confusion& confusion, std::span<const std::string> class_names,
                            const ScoredImages& images);
// Attention maps: the scores at the best threshold, and the curve.
ScoreReport MakeScoreReport(const ThresholdCurve& curve, std::span<const std::string> class_names,
                            const ScoredImages& images);

}  // namespace i2crc
