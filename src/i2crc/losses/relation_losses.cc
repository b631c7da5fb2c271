// SPDX-License-Identifier: Apache-2.0
#include "i2crc/losses/relation_losses.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <vector>

#include "i2crc/core/error.h"

namespace i2crc {
namespace {

constexpr double kEpsilon = 1e-5;

// Where one row or column of the large grid lies between two nodes of the small one: bilinear,
// align_corners = false, as PyTorch computes it in f32.
struct Tap {
  int low;
  int high;
  double weight_low;
  double weight_high;
};

std::vector<Tap> EnlargementTaps(int small, int large) {
  std::vector<Tap> taps(static_cast<size_t>(large));
  const float scale = static_cast<float>(small) / static_cast<float>(large);
  for (int i = 0; i < large; ++i) {
    const float source = std::max(scale * (static_cast<float>(i) + 0.5F) - 0.5F, 0.0F);
    const int low = std::min(static_cast<int>(source), small - 1);
    const int high = std::min(low + 1, small - 1);
    // Beyond the last node there is only that one: all weight to low keeps the products of a pair
    // true.
    const double fraction =
        high == low ? 0.0 : static_cast<double>(source - static_cast<float>(low));
    taps[static_cast<size_t>(i)] = {low, high, 1.0 - fraction, fraction};
  }
  return taps;
}

// Everything that the losses need to know of one mask M on the large grid, on the nodes of the
// score map.
struct MaskMoments {
  double sum = 0;                    // Σ M
  double sum_squares = 0;            // Σ M²
  std::vector<double> mass;          // UᵀM
  std::vector<double> mass_squares;  // UᵀM²
  // Uᵀ diag(M²) U, symmetric: each node with itself, its right, lower left, lower and lower right
  // neighbour.
  std::vector<std::array<double, 5>> coupling;
};

enum Neighbour { kSelf, kRight, kLowerLeft, kLower, kLowerRight };

// Adds a pixel of the large grid where the mask has this value. node, weight: the four nodes that
// it lies between and their shares of it.
void AddPixel(MaskMoments& moments, double mask, const std::array<int, 4>& node,
              const std::array<double, 4>& weight) {
  const double square = mask * mask;
  moments.sum += mask;
  moments.sum_squares += square;
  for (size_t a = 0; a < 4; ++a) {
    moments.mass[static_cast<size_t>(node[a])] += mask * weight[a];
    moments.mass_squares[static_cast<size_t>(node[a])] += square * weight[a];
  }
  // node: upper left, upper right, lower left, lower right. Where the border made two of them one,
  // one of their weights is 0, so that their product adds nothing.
  auto couple = [&](size_t a, size_t b, Neighbour kind) {
    moments.coupling[static_cast<size_t>(node[a])][kind] += square * weight[a] * weight[b];
  };
  for (size_t a = 0; a < 4; ++a) couple(a, a, kSelf);
  couple(0, 1, kRight);
  couple(2, 3, kRight);
  couple(0, 2, kLower);
  couple(1, 3, kLower);
  couple(0, 3, kLowerRight);
  couple(1, 2, kLowerLeft);
}

struct SaliencyMoments {
  MaskMoments object;      // M = S
  MaskMoments background;  // M = 1 − S
};

// The moments of S and of 1 − S in one pass over the saliency.
SaliencyMoments MomentsOf(const uint8_t* saliency, int height, int width,
                          const std::vector<Tap>& rows, const std::vector<Tap>& columns) {
  SaliencyMoments moments;
  const size_t nodes = static_cast<size_t>(height) * static_cast<size_t>(width);
  for (MaskMoments* m : {&moments.object, &moments.background}) {
    m->mass.assign(nodes, 0);
    m->mass_squares.assign(nodes, 0);
    m->coupling.assign(nodes, {});
  }
  for (size_t y = 0; y < rows.size(); ++y) {
    const Tap& row = rows[y];
    for (size_t x = 0; x < columns.size(); ++x) {
      const Tap& column = columns[x];
      const std::array<int, 4> node = {row.low * width + column.low, row.low * width + column.high,
                                       row.high * width + column.low,
                                       row.high * width + column.high};
      const std::array<double, 4> weight = {
          row.weight_low * column.weight_low, row.weight_low * column.weight_high,
          row.weight_high * column.weight_low, row.weight_high * column.weight_high};
      const double s = saliency[y * columns.size() + x] / 255.0;
      if (s > 0) AddPixel(moments.object, s, node, weight);
      if (s < 1) AddPixel(moments.background, 1 - s, node, weight);
    }
  }
  return moments;
}

// (Uᵀ diag(M²) U) x
void ApplyCoupling(const MaskMoments& moments, const float* x, int height, int width,
                   std::vector<double>& result) {
  result.assign(moments.coupling.size(), 0);
  for (int y = 0; y < height; ++y) {
    for (int c = 0; c < width; ++c) {
      const auto i = static_cast<size_t>(y * width + c);
      const auto& k = moments.coupling[i];
      auto couple = [&](size_t j, double value) {
        result[i] += value * x[j];
        result[j] += value * x[i];
      };
      result[i] += k[kSelf] * x[i];
      const auto below = i + static_cast<size_t>(width);
      if (c + 1 < width) couple(i + 1, k[kRight]);
      if (y + 1 < height) {
        couple(below, k[kLower]);
        if (c + 1 < width) couple(below + 1, k[kLowerRight]);
        if (c > 0) couple(below - 1, k[kLowerLeft]);
      }
    }
  }
}

// The gradient of one image and class in double, before it is rounded.
struct Accumulator {
  std::span<double> gradient;

  void Add(double factor, const std::vector<double>& values) {
    for (size_t i = 0; i < gradient.size(); ++i) gradient[i] += factor * values[i];
  }
};

double Dot(const std::vector<double>& a, const float* x) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * x[i];
  return sum;
}

double Centre(const MaskMoments& moments, const float* x) {
  return Dot(moments.mass, x) / (moments.sum + kEpsilon);
}

// Σ M²(Ux − centre)² / (Σ M + ε) of one image and class, its gradient times factor added.
double Intra(const MaskMoments& moments, const float* x, int height, int width, double factor,
             std::vector<double>& scratch, Accumulator& accumulator) {
  const double norm = moments.sum + kEpsilon;
  const double centre = Centre(moments, x);
  ApplyCoupling(moments, x, height, width, scratch);
  const double first = Dot(moments.mass_squares, x);
  const double value =
      (Dot(scratch, x) - 2 * centre * first + centre * centre * moments.sum_squares) / norm;
  if (factor != 0) {
    accumulator.Add(2 * factor / norm, scratch);
    accumulator.Add(-2 * factor * centre / norm, moments.mass_squares);
    // Through the centre, which is not detached.
    accumulator.Add(2 * factor * (centre * moments.sum_squares - first) / (norm * norm),
                    moments.mass);
  }
  // Rounding may leave a tiny negative number where all differences are 0.
  return std::max(value, 0.0);
}

// log(1 + e^v) without overflow.
double SoftPlus(double v) { return std::max(v, 0.0) + std::log1p(std::exp(-std::abs(v))); }

// −[y·log σ(z) + (1−y)·log σ(−z)] of one logit, its gradient times factor added evenly over the
// map.
double Classification(const float* x, size_t nodes, bool tagged, double factor,
                      Accumulator& accumulator) {
  double sum = 0;
  for (size_t i = 0; i < nodes; ++i) sum += x[i];
  const double logit = sum / static_cast<double>(nodes);
  const double slope = 1 / (1 + std::exp(-logit)) - (tagged ? 1.0 : 0.0);
  for (double& g : accumulator.gradient) g += factor * slope / static_cast<double>(nodes);
  return SoftPlus(tagged ? -logit : logit);
}

}  // namespace

RelationLossValues RelationLosses(const RelationLossInput& input,
                                  const RelationLossWeights& weights, std::span<float> gradient) {
  const size_t nodes = static_cast<size_t>(input.height) * static_cast<size_t>(input.width);
  const auto classes = static_cast<size_t>(input.classes);
  const auto images = static_cast<size_t>(input.images);
  const size_t saliency_pixels =
      static_cast<size_t>(input.saliency_height) * static_cast<size_t>(input.saliency_width);
  ENSURE(input.scores.size() == images * classes * nodes && gradient.size() == input.scores.size(),
         "scores and gradient are [N, C, h, w]");
  ENSURE(input.tags.size() == images * classes, "tags are [N, C]");
  ENSURE(input.saliency.size() == images * saliency_pixels, "saliency is [N, H, W]");

  std::vector<int> tag_count(images);
  RelationLossValues values;
  for (size_t n = 0; n < images; ++n) {
    const auto tags = input.tags.subspan(n * classes, classes);
    tag_count[n] = static_cast<int>(std::count(tags.begin(), tags.end(), 1));
    values.single_tag_images += tag_count[n] == 1;
  }
  const double classification_mean = 1.0 / static_cast<double>(images * classes);
  const double relation_mean =
      values.single_tag_images == 0
          ? 0.0
          : 1.0 / (static_cast<double>(values.single_tag_images) * static_cast<double>(classes));
  const auto rows = EnlargementTaps(input.height, input.saliency_height);
  const auto columns = EnlargementTaps(input.width, input.saliency_width);

  std::vector<double> exact(nodes), scratch;
  for (size_t n = 0; n < images; ++n) {
    SaliencyMoments moments;
    if (tag_count[n] == 1)
      moments = MomentsOf(input.saliency.data() + n * saliency_pixels, input.height, input.width,
                          rows, columns);
    for (size_t c = 0; c < classes; ++c) {
      const size_t offset = (n * classes + c) * nodes;
      const float* x = input.scores.data() + offset;
      const bool tagged = input.tags[n * classes + c] != 0;
      std::fill(exact.begin(), exact.end(), 0.0);
      Accumulator accumulator{exact};
      values.classification +=
          classification_mean * Classification(x, nodes, tagged, classification_mean, accumulator);
      if (tag_count[n] == 1) {
        values.intra_foreground +=
            relation_mean * Intra(moments.object, x, input.height, input.width,
                                  weights.intra_foreground * relation_mean, scratch, accumulator);
        values.intra_background +=
            relation_mean * Intra(moments.background, x, input.height, input.width,
                                  weights.intra_background * relation_mean, scratch, accumulator);
        if (tagged) {
          values.inter +=
              relation_mean * (Centre(moments.background, x) - Centre(moments.object, x));
          const double factor = weights.inter * relation_mean;
          accumulator.Add(factor / (moments.background.sum + kEpsilon), moments.background.mass);
          accumulator.Add(-factor / (moments.object.sum + kEpsilon), moments.object.mass);
        }
      }
      std::transform(exact.begin(), exact.end(), gradient.begin() + static_cast<ptrdiff_t>(offset),
                     [](double g) { return static_cast<float>(g); });
    }
  }
  values.total = values.classification + weights.intra_foreground * values.intra_foreground +
                 weights.intra_background * values.intra_background + weights.inter * values.inter;
  return values;
}

}  // namespace i2crc
