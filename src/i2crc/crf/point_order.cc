// SPDX-License-Identifier: Apache-2.0
#include "i2crc/crf/point_order.h"

#include <algorithm>

#include "i2crc/crf/kernels.h"

namespace i2crc::crf {
namespace {

constexpr int kTileSide = kLanePoints;
static_assert(PointOrder::kRegionHeight % kTileSide == 0);
static_assert(PointOrder::kRegionWidth % kTileSide == 0);

}  // namespace

PointOrder::PointOrder(int image_height, int image_width)
    : height(image_height), width(image_width) {
  const auto runs_of_row = static_cast<size_t>(runs_of_a_row());
  runs.reserve(static_cast<size_t>(height) * runs_of_row);
  point_of_run.resize(static_cast<size_t>(height) * runs_of_row);
  int64_t point = 0;
  const auto add_tile = [&](int top, int bottom, int left, int right) {
    for (int y = top; y < bottom; ++y) {
      runs.push_back({int64_t{y} * width + left, point, right - left});
      point_of_run[static_cast<size_t>(y) * runs_of_row + static_cast<size_t>(left / kTileSide)] =
          point;
      point += right - left;
    }
  };
  for (int top = 0; top < height; top += kRegionHeight)
    for (int left = 0; left < width; left += kRegionWidth) {
      Region region{
          top,   left, std::min(height, top + kRegionHeight), std::min(width, left + kRegionWidth),
          point, 0};
      for (int y = top; y < region.bottom; y += kTileSide)
        for (int x = left; x < region.right; x += kTileSide)
          add_tile(y, std::min(region.bottom, y + kTileSide), x,
                   std::min(region.right, x + kTileSide));
      region.end = point;
      regions.push_back(region);
    }
}

int PointOrder::runs_of_a_row() const { return (width + kTileSide - 1) / kTileSide; }

}  // namespace i2crc::crf
