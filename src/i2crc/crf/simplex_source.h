// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "i2crc/crf/aligned_vector.h"
#include "i2crc/crf/kernels.h"

namespace i2crc::crf {

// What feature `axis` (from 0) of `dims` is multiplied with before it is laid on the lattice,
// rounded where the field's implementation rounds: features on a grid lie on the borders of
// simplices, and the last bit says to which of two they belong.
float EmbeddingScale(int axis, int dims);

// Computes the simplices of points, in blocks of kLanePoints. The last block is filled up with its
// last point, which changes no bound.
class SimplexSource {
 public:
  // features [d][points], which must outlive it.
  SimplexSource(const Kernels& kernels, const float* features, int dims, int64_t points);

  int dims() const { return dims_; }
  size_t points() const { return points_; }
  ValueBounds BoundsOf(size_t dim) const {
    return kernels_.bounds(features_ + dim * points_, static_cast<int64_t>(points_));
  }
  float scale(size_t dim) const { return scale_[dim]; }
  size_t blocks() const { return (points_ + kLanePoints - 1) / kLanePoints; }
  // Points of the block.
  size_t lanes(size_t block) const {
    return std::min<size_t>(kLanePoints, points_ - block * kLanePoints);
  }
  void Compute(size_t block, const SimplexBlock& to) const;

 private:
  const Kernels& kernels_;
  const float* features_;
  int dims_;
  size_t points_;
  std::array<float, kMaxDims> scale_;
  std::array<float, kMaxDims * kLanePoints> tail_;  // [d][kLanePoints]: features of the last block
};

// All of them but the weights.
struct SimplexList {
  AlignedVector<int32_t> cells;  // [blocks][d][kLanePoints]
  AlignedVector<int32_t> order;  // [blocks][d + 1][kLanePoints]
};

// weights[point][k].weight is where the weights go.
void ComputeSimplices(const SimplexSource& source, SimplexList& list, Corner* weights);

}  // namespace i2crc::crf
