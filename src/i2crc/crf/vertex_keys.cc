// SPDX-License-Identifier: Apache-2.0
#include "i2crc/crf/vertex_keys.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>

namespace i2crc::crf {
namespace {

// Beyond it the cells of a point are no exact floats.
constexpr int32_t kLargestCell = 1 << 22;

// Of a coordinate's cells.
struct Bounds {
  int32_t least;
  int32_t most;
};

FieldPlan PlanFieldsWithin(std::span<const Bounds> bounds) {
  FieldPlan plan{};
  int word = 0;
  int bit = kResidueBits;
  for (size_t i = 0; i < bounds.size(); ++i) {
    // m_i is a cell or one less; a neighbour's one more or less.
    const int32_t bias = 2 - bounds[i].least;
    const int width = std::bit_width(static_cast<uint32_t>(bounds[i].most + 1 + bias));
    if (bit + width > 64) {
      ++word;
      bit = 0;
    }
    plan.fields[i] = {word, bit, bias};
    bit += width;
  }
  plan.words = static_cast<size_t>(word) + 1;
  return plan;
}

struct Interval {
  double least;
  double most;
};

}  // namespace

FieldPlan PlanFields(std::span<const int32_t> cells, int dims) {
  std::array<Bounds, kMaxDims> bounds;
  bounds.fill({std::numeric_limits<int32_t>::max(), std::numeric_limits<int32_t>::min()});
  const size_t row = kLanePoints;
  const auto d = static_cast<size_t>(dims);
  for (size_t at = 0; at < cells.size(); at += row) {
    Bounds& of_row = bounds[at / row % d];
    for (size_t lane = 0; lane < row; ++lane) {
      of_row.least = std::min(of_row.least, cells[at + lane]);
      of_row.most = std::max(of_row.most, cells[at + lane]);
    }
  }
  for (size_t i = 0; i < d; ++i)
    if (bounds[i].least < -kLargestCell || bounds[i].most > kLargestCell)
      throw std::invalid_argument("features: more than " + std::to_string(kLargestCell) +
                                  " cells of the lattice from 0; a larger sigma is needed");
  return PlanFieldsWithin({bounds.data(), d});
}

std::optional<FieldPlan> PlanNarrowFields(const SimplexSource& source) {
  const auto d = static_cast<size_t>(source.dims());
  const double side = source.dims() + 1;
  std::array<Bounds, kMaxDims> bounds;
  // Elevated coordinate j is the sum of the scaled features from j on, less j times the one before.
  Interval sum{0, 0};
  double largest = 0;
  for (size_t j = d + 1; j-- > 0;) {
    Interval coordinate = sum;
    if (j > 0) {
      const ValueBounds feature = source.BoundsOf(j - 1);
      if (!feature.are_numbers) return {};
      const double scale = source.scale(j - 1);
      const Interval scaled{double{feature.least} * scale, double{feature.most} * scale};
      const auto times = static_cast<double>(j);
      coordinate = {sum.least - times * scaled.most, sum.most - times * scaled.least};
      sum = {sum.least + scaled.least, sum.most + scaled.most};
      largest += times * std::max(std::abs(scaled.least), std::abs(scaled.most));
    }
    if (j == d) continue;
    // A cell is the coordinate's rounded either way and, to come to the plane, one further. What
    // floats do to the coordinate is less than what is added for it.
    const double slack = 3 + largest * 1e-5;
    const double least = coordinate.least / side - slack;
    const double most = coordinate.most / side + slack;
    if (!(least > -kLargestCell && most < kLargestCell)) return {};
    bounds[j] = {static_cast<int32_t>(least), static_cast<int32_t>(most)};
  }
  const FieldPlan plan = PlanFieldsWithin({bounds.data(), d});
  if (plan.words > 1) return {};
  return plan;
}

}  // namespace i2crc::crf
