// SPDX-License-Identifier: Apache-2.0
//
// Part of kernels_impl.h: the simplices of points.
#pragma once

#include "i2crc/crf/kernels.h"
#include "i2crc/crf/kernels_simd.h"

namespace i2crc::crf {
namespace {

// Everything in the order, and rounded as ALGORITHM.md has it: which vertices exist hangs on ties.
template <int kDims>
I2CRC_CRF_INLINE void Simplices(const float* features, int64_t stride, int dims_given,
                                const float* scale, const SimplexBlock& block, int lane) {
  using F = Float<I2CRC_CRF_NATIVE>;
  using I = Int<I2CRC_CRF_NATIVE>;
  constexpr int kMax = kDims > 0 ? kDims : kMaxDims;
  const int d = kDims > 0 ? kDims : dims_given;
  const float side = static_cast<float>(d + 1);
  const float per_side = 1.0F / side;
  F elevated[kMax + 1];
  F sum{};
  for (int j = d; j > 0; --j) {
    F feature;
    __builtin_memcpy(&feature, features + (j - 1) * stride + lane, sizeof(feature));
    const F c = feature * scale[j - 1];
    elevated[j] = sum - static_cast<float>(j) * c;
    sum += c;
  }
  elevated[0] = sum;

  F rest[kMax + 1];  // e_i − r_i
  I cell[kMax + 1];  // r_i / (d + 1)
  I rank[kMax + 1];
  I total{};
  for (int i = 0; i <= d; ++i) {
    // What is further out is refused later; here it must only stay an integer.
    constexpr float kFar = 8388608.0F;
    const F v = -Max(-Max(per_side * elevated[i], F{} - kFar), F{} - kFar);
    I down_cell = __builtin_convertvector(v, I);
    down_cell += __builtin_convertvector(down_cell, F) > v;  // towards −∞: true is −1
    const F whole = __builtin_convertvector(down_cell, F);
    const F down = whole * side;
    // Where v is whole already, up is down.
    const I up_cell = down_cell - (whole < v);
    const F up = __builtin_convertvector(up_cell, F) * side;
    const I takes_up = (up - elevated[i]) < (elevated[i] - down);
    cell[i] = takes_up ? up_cell : down_cell;
    rest[i] = elevated[i] - (takes_up ? up : down);
    total += cell[i];
    rank[i] = I{};
  }
  for (int i = 0; i < d; ++i)
    for (int j = i + 1; j <= d; ++j) {
      const I less = rest[i] < rest[j];
      rank[i] -= less;
      rank[j] += less + 1;
    }
  for (int i = 0; i <= d; ++i) {
    rank[i] += total;
    const I below = rank[i] < 0;
    const I above = rank[i] > d;
    rank[i] += (below & (d + 1)) - (above & (d + 1));
    cell[i] += above - below;
  }

  F by_rank[kMax + 1];
  I order[kMax + 1];
  for (int t = 0; t <= d; ++t) {
    by_rank[t] = F{};
    order[t] = I{};
  }
  for (int i = 0; i <= d; ++i) {
    const F v = (elevated[i] - __builtin_convertvector(cell[i], F) * side) * per_side;
    for (int t = 0; t <= d; ++t) {
      const I here = rank[i] == t;
      by_rank[t] = here ? v : by_rank[t];
      order[t] = here ? I{} + i : order[t];
    }
  }
  for (int i = 0; i < d; ++i)
    __builtin_memcpy(block.cells + i * kLanePoints + lane, &cell[i], sizeof(I));
  for (int t = 0; t <= d; ++t)
    __builtin_memcpy(block.order + t * kLanePoints + lane, &order[t], sizeof(I));
  for (int k = 0; k <= d; ++k) {
    const F weight =
        k == 0 ? by_rank[d] + (1.0F - by_rank[0]) : by_rank[d - k] - by_rank[d + 1 - k];
    __builtin_memcpy(block.weights + k * kLanePoints + lane, &weight, sizeof(F));
  }
}

void SimplexPass(const float* features, int64_t stride, int dims, const float* scale,
                 const SimplexBlock& block) {
  for (int lane = 0; lane < kLanePoints; lane += I2CRC_CRF_NATIVE) {
    if (dims == 2) {
      Simplices<2>(features, stride, dims, scale, block, lane);
    } else if (dims == 5) {
      Simplices<5>(features, stride, dims, scale, block, lane);
    } else {
      Simplices<0>(features, stride, dims, scale, block, lane);
    }
  }
}

ValueBounds BoundsPass(const float* values, int64_t count) {
  constexpr int kLanes = I2CRC_CRF_NATIVE;
  constexpr int kParts = 4;  // since each comparison waits for the one before it
  using F = Float<kLanes>;
  F most[kParts];
  F most_negated[kParts];
  Int<kLanes> strange{};
  for (int i = 0; i < kParts; ++i) {
    most[i] = Broadcast(values[0], F{});
    most_negated[i] = -most[i];
  }
  int64_t at = 0;
  for (; at + kLanes * kParts <= count; at += kLanes * kParts)
    for (int i = 0; i < kParts; ++i) {
      const F v = LoadUnaligned(values + at + i * kLanes, F{});
      most[i] = Max(most[i], v);
      most_negated[i] = Max(most_negated[i], -v);
      strange |= v != v;
    }
  ValueBounds bounds{values[0], values[0], values[0] == values[0]};
  for (int i = 0; i < kParts; ++i)
    for (int lane = 0; lane < kLanes; ++lane) {
      if (most[i][lane] > bounds.most) bounds.most = most[i][lane];
      if (-most_negated[i][lane] < bounds.least) bounds.least = -most_negated[i][lane];
      if (strange[lane] != 0) bounds.are_numbers = false;
    }
  for (; at < count; ++at) {
    if (values[at] > bounds.most) bounds.most = values[at];
    if (values[at] < bounds.least) bounds.least = values[at];
    if (!(values[at] == values[at])) bounds.are_numbers = false;
  }
  return bounds;
}

}  // namespace
}  // namespace i2crc::crf
