// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace i2crc::crf {

// Pixels of a row that stand together in the image and among the points.
struct Run {
  int64_t pixel;
  int64_t point;
  int count;  // ≤ kLanePoints
};

// A rectangle of the image, rows top … bottom − 1 and columns left … right − 1, whose points are
// begin … end − 1.
struct Region {
  int top;
  int left;
  int bottom;
  int right;
  int64_t begin;
  int64_t end;
};

// The order in which an image's pixels are worked on, as points: region by region, and in these by
// square tiles, so that pixels that share vertices stand together.
struct PointOrder {
  // Small enough for a region's vertices of the narrowest Gaussian kernel to fit into the
  // second-level cache, large enough for those beyond its border not to matter.
  static constexpr int kRegionHeight = 32;
  static constexpr int kRegionWidth = 64;

  PointOrder() = default;
  PointOrder(int image_height, int image_width);

  int height = 0;
  int width = 0;
  std::vector<Run> runs;  // in the order of their points
  std::vector<Region> regions;
  std::vector<int64_t>
      point_of_run;  // [height][runs of a row]: where the run at column · 16 begins

  int runs_of_a_row() const;
  // Where the run begins that holds the columns from run_column · kLanePoints.
  int64_t PointOfRun(int y, int run_column) const {
    return point_of_run[static_cast<size_t>(y) * static_cast<size_t>(runs_of_a_row()) +
                        static_cast<size_t>(run_column)];
  }
};

}  // namespace i2crc::crf
