// SPDX-License-Identifier: Apache-2.0
#include "i2crc/synth/saliency_faults.h"

#include <algorithm>
#include <cmath>

namespace i2crc::synth {
namespace {

// The detector's own resolution over a whole scene.
constexpr int kGrid = 40;
constexpr float kUnitsPerCell = kSceneUnits / kGrid;

// Mean over each cell's pixels; cells without a pixel of their own (scenes smaller than the grid)
// take the pixel that they lie in.
ImageF32 ShrinkToGrid(const ImageF32& object) {
  const int size = object.height();
  const auto first = [&](int cell) { return cell * size / kGrid; };
  const auto end = [&](int cell) { return std::max((cell + 1) * size / kGrid, first(cell) + 1); };
  ImageF32 grid(kGrid, kGrid, 1);
  for (int y = 0; y < kGrid; ++y) {
    for (int x = 0; x < kGrid; ++x) {
      float sum = 0;
      for (int j = first(y); j < end(y); ++j)
        for (int i = first(x); i < end(x); ++i) sum += object.at(j, i);
      grid.at(y, x) = sum / static_cast<float>((end(y) - first(y)) * (end(x) - first(x)));
    }
  }
  return grid;
}

// Weights ¼ ½ ¼ both ways, edges clamped.
ImageF32 Blur(const ImageF32& grid) {
  const auto clamped = [&](int i) { return std::clamp(i, 0, kGrid - 1); };
  ImageF32 across(kGrid, kGrid, 1);
  ImageF32 both(kGrid, kGrid, 1);
  for (int y = 0; y < kGrid; ++y)
    for (int x = 0; x < kGrid; ++x)
      across.at(y, x) =
          0.25F * (grid.at(y, clamped(x - 1)) + grid.at(y, clamped(x + 1))) + 0.5F * grid.at(y, x);
  for (int y = 0; y < kGrid; ++y)
    for (int x = 0; x < kGrid; ++x)
      both.at(y, x) = 0.25F * (across.at(clamped(y - 1), x) + across.at(clamped(y + 1), x)) +
                      0.5F * across.at(y, x);
  return both;
}

float Step(float t) {
  t = std::clamp(t, 0.0F, 1.0F);
  return t * t * (3.0F - 2.0F * t);
}

struct Disc {
  Point centre;  // cells
  float radius;  // cells
  float depth;   // 0 nothing … 1 all
};

// 1 in the middle, 0 outside, a soft border of half its radius.
float In(const Disc& disc, float x, float y) {
  const float dx = x - disc.centre.x;
  const float dy = y - disc.centre.y;
  return disc.depth * Step(2.0F * (1.0F - std::sqrt(dx * dx + dy * dy) / disc.radius));
}

// Holes lie on the object: their middles are drawn among the cells that it fills.
std::vector<Disc> DrawHoles(const ImageF32& grid, Random& random) {
  std::vector<Point> filled;
  for (int y = 0; y < kGrid; ++y)
    for (int x = 0; x < kGrid; ++x)
      if (grid.at(y, x) > 0.6F) filled.push_back({static_cast<float>(x), static_cast<float>(y)});
  std::vector<Disc> holes;
  if (filled.empty() || random.Uniform() >= 0.4) return holes;
  const int64_t count = 1 + random.Below(2);
  const float extent = std::sqrt(static_cast<float>(filled.size()));
  for (int64_t i = 0; i < count; ++i) {
    const Point centre =
        filled[static_cast<size_t>(random.Below(static_cast<int64_t>(filled.size())))];
    const auto radius = static_cast<float>(random.Uniform(0.18, 0.38)) * extent;
    holes.push_back({centre, radius, static_cast<float>(random.Uniform(0.6, 0.95))});
  }
  return holes;
}

// The detector's answer to one object.
ImageF32 Detect(const ImageF32& object, Random& random) {
  const ImageF32 grid = ShrinkToGrid(object);
  const ImageF32 soft = Blur(grid);
  const std::vector<Disc> holes = DrawHoles(grid, random);
  const auto key = static_cast<uint32_t>(random.Next());
  const auto strength = static_cast<float>(random.Uniform(0.8, 1.0));
  const auto border = static_cast<float>(random.Uniform(0.0, 0.22));
  const auto weakness = static_cast<float>(random.Uniform(0.0, 0.45));
  ImageF32 answer(kGrid, kGrid, 1);
  for (int y = 0; y < kGrid; ++y) {
    for (int x = 0; x < kGrid; ++x) {
      const auto fx = static_cast<float>(x);
      const auto fy = static_cast<float>(y);
      const float wobble = 0.3F * (Noise(fx * 0.35F, fy * 0.35F, key) - 0.5F);
      float value = strength * Step((soft.at(y, x) - border - wobble) / 0.6F);
      value *= 1.0F - weakness * Noise(fx * 0.18F, fy * 0.18F, key + 1);
      for (const Disc& hole : holes) value *= 1.0F - In(hole, fx, fy);
      answer.at(y, x) = value;
    }
  }
  return answer;
}

void KeepLarger(ImageF32& map, const ImageF32& other) {
  for (size_t i = 0; i < map.size(); ++i)
    map.values()[i] = std::max(map.values()[i], other.values()[i]);
}

void AddFalseBlob(ImageF32& map, const std::vector<Point>& lures, Random& random) {
  if (random.Uniform() >= 0.3) return;
  Disc blob{};
  blob.centre = {static_cast<float>(random.Uniform(0, kGrid)),
                 static_cast<float>(random.Uniform(0, kGrid))};
  if (!lures.empty() && random.Uniform() < 0.7) {
    const Point lure = lures[static_cast<size_t>(random.Below(static_cast<int64_t>(lures.size())))];
    blob.centre = {lure.x / kUnitsPerCell, lure.y / kUnitsPerCell};
  }
  blob.radius = static_cast<float>(random.Uniform(2.0, 5.0));
  blob.depth = static_cast<float>(random.Uniform(0.4, 0.95));
  for (int y = 0; y < kGrid; ++y)
    for (int x = 0; x < kGrid; ++x)
      map.at(y, x) = std::max(map.at(y, x), In(blob, static_cast<float>(x), static_cast<float>(y)));
}

// Bilinear, half-pixel centres, edges clamped; rounded to 8 bit.
ImageU8 EnlargeFromGrid(const ImageF32& grid, int size) {
  ImageU8 map(size, size, 1);
  const float cells_per_pixel = static_cast<float>(kGrid) / static_cast<float>(size);
  const auto position = [&](int i) {
    return std::clamp((static_cast<float>(i) + 0.5F) * cells_per_pixel - 0.5F, 0.0F, kGrid - 1.0F);
  };
  for (int y = 0; y < size; ++y) {
    const float fy = position(y);
    const int y0 = static_cast<int>(fy);
    const int y1 = std::min(y0 + 1, kGrid - 1);
    const float ty = fy - static_cast<float>(y0);
    for (int x = 0; x < size; ++x) {
      const float fx = position(x);
      const int x0 = static_cast<int>(fx);
      const int x1 = std::min(x0 + 1, kGrid - 1);
      const float tx = fx - static_cast<float>(x0);
      const float top = grid.at(y0, x0) + (grid.at(y0, x1) - grid.at(y0, x0)) * tx;
      const float bottom = grid.at(y1, x0) + (grid.at(y1, x1) - grid.at(y1, x0)) * tx;
      const float value = top + (bottom - top) * ty;
      map.at(y, x) = static_cast<uint8_t>(std::clamp(value, 0.0F, 1.0F) * 255.0F + 0.5F);
    }
  }
  return map;
}

}  // namespace

ImageU8 DegradeSaliency(const std::vector<ImageF32>& objects, const std::vector<Point>& lures,
                        double miss, Random random) {
  ENSURE(!objects.empty(), "saliency of a scene without objects");
  ImageF32 map(kGrid, kGrid, 1);
  const auto haze = static_cast<uint32_t>(random.Next());
  for (int y = 0; y < kGrid; ++y)
    for (int x = 0; x < kGrid; ++x)
      map.at(y, x) =
          0.05F * Noise(static_cast<float>(x) * 0.2F, static_cast<float>(y) * 0.2F, haze);
  for (const ImageF32& object : objects) {
    const bool missed = random.Uniform() < miss;
    const ImageF32 answer = Detect(object, random);
    if (!missed) KeepLarger(map, answer);
  }
  AddFalseBlob(map, lures, random);
  return EnlargeFromGrid(Blur(map), objects.front().height());
}

}  // namespace i2crc::synth
