// SPDX-License-Identifier: Apache-2.0
#include "i2crc/crf/simplex_source.h"

#include <cmath>

namespace i2crc::crf {

float EmbeddingScale(int axis, int dims) {
  const auto side = static_cast<float>(std::sqrt(2.0 / 3.0) * (dims + 1));
  const double next = axis + 1.0;
  return static_cast<float>(1 / std::sqrt(next * (next + 1)) * double{side});
}

SimplexSource::SimplexSource(const Kernels& kernels, const float* features, int dims,
                             int64_t points)
    : kernels_(kernels),
      features_(features),
      dims_(dims),
      points_(static_cast<size_t>(points)),
      scale_{},
      tail_{} {
  const auto d = static_cast<size_t>(dims);
  for (int axis = 0; axis < dims; ++axis)
    scale_[static_cast<size_t>(axis)] = EmbeddingScale(axis, dims);
  const size_t last = blocks() - 1;
  for (size_t i = 0; i < d; ++i)
    for (size_t lane = 0; lane < kLanePoints; ++lane)
      tail_[i * kLanePoints + lane] =
          features_[i * points_ + last * kLanePoints + std::min(lane, lanes(last) - 1)];
}

void SimplexSource::Compute(size_t block, const SimplexBlock& to) const {
  const bool is_last = block + 1 == blocks();
  const float* from = is_last ? tail_.data() : features_ + block * kLanePoints;
  const size_t stride = is_last ? size_t{kLanePoints} : points_;
  kernels_.simplices(from, static_cast<int64_t>(stride), dims_, scale_.data(), to);
}

void ComputeSimplices(const SimplexSource& source, SimplexList& list, Corner* weights) {
  const auto d = static_cast<size_t>(source.dims());
  list.cells.resize(source.blocks() * d * kLanePoints);
  list.order.resize(source.blocks() * (d + 1) * kLanePoints);
  std::array<float, kLanePoints*(kMaxDims + 1)> of_block;
  for (size_t b = 0; b < source.blocks(); ++b) {
    source.Compute(b, {&list.cells[b * d * kLanePoints], &list.order[b * (d + 1) * kLanePoints],
                       of_block.data()});
    for (size_t lane = 0; lane < source.lanes(b); ++lane)
      for (size_t k = 0; k <= d; ++k) (weights++)->weight = of_block[k * kLanePoints + lane];
  }
}

}  // namespace i2crc::crf
