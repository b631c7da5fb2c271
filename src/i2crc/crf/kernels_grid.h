// SPDX-License-Identifier: Apache-2.0
//
// Part of kernels_impl.h: the lattice of positions, region by region.
#pragma once

#include "i2crc/crf/kernels.h"
#include "i2crc/crf/kernels_rows.h"
#include "i2crc/crf/kernels_simd.h"

namespace i2crc::crf {
namespace {

// to = middle + ½ (before + after) at the vertices of a row, and 0 elsewhere. May write up to a
// register beyond the row.
template <int kWidth>
I2CRC_CRF_INLINE void BlurGridRow(const float* middle, const float* before, const float* after,
                                  const GridShape& shape, int row, float* to) {
  using F = Float<I2CRC_CRF_NATIVE>;
  const RowExtent extent = shape.extents[row];
  const int begin = extent.begin * kWidth;
  const int end = extent.end * kWidth;
  for (int i = begin; i < end; i += I2CRC_CRF_NATIVE)
    StoreUnaligned(
        to + i,
        MultiplyAdd(F{} + 0.5F, LoadUnaligned(before + i, F{}) + LoadUnaligned(after + i, F{}),
                    LoadUnaligned(middle + i, F{})));
  for (int i = 0; i < begin; i += 4) StoreUnaligned(to + i, Float<4>{});
  for (int i = end; i < shape.columns * kWidth; i += 4) StoreUnaligned(to + i, Float<4>{});
  for (int hole = extent.first_hole; hole < extent.end_hole; ++hole)
    for (int i = 0; i < kWidth; i += 4)
      StoreUnaligned(to + shape.holes[hole] * kWidth + i, Float<4>{});
}

// In place, all three axes in one sweep over the rows. In row r, odd or even, the neighbours stand
//   on axis 0 in row r − 1 at the same column (odd: the next), in r + 1 at the one before (odd:
//   same); on axis 1 in row r − 1 at the one before (odd: same), in r + 1 at the same (odd: the
//   next); on axis 2 in rows r − 2 and r + 2 at the same column.
template <int kWidth>
I2CRC_CRF_INLINE void BlurGrid(const GridShape& shape, float* values, float* scratch) {
  const int row_floats = shape.columns * kWidth;
  // Each row of scratch has room for what is written beyond it.
  const int scratch_floats = row_floats + kGridFloatsBeyond;
  float* const after_first = scratch;                        // 4 rows in turn
  float* const after_second = scratch + 4 * scratch_floats;  // 8 rows in turn
  const auto first = [&](int row) { return after_first + (row & 3) * scratch_floats; };
  const auto second = [&](int row) { return after_second + (row & 7) * scratch_floats; };
  for (int row = 0; row < kGridRowsBeyond; ++row) {
    __builtin_memset(first(row), 0, static_cast<size_t>(row_floats) * sizeof(float));
    __builtin_memset(second(row), 0, static_cast<size_t>(row_floats) * sizeof(float));
  }
  const int last = shape.rows - kGridRowsBeyond;
  for (int row = kGridRowsBeyond; row < shape.rows + 1; ++row) {
    const bool starts_odd = shape.starts_odd;
    if (row < shape.rows) {
      const int odd = (row & 1) ^ int { starts_odd };
      const float* middle = values + row * row_floats;
      BlurGridRow<kWidth>(middle, middle - row_floats + odd * kWidth,
                          middle + row_floats + (odd - 1) * kWidth, shape, row, first(row));
    }
    if (row > kGridRowsBeyond) {
      const int at = row - 1;
      const int odd = (at & 1) ^ int { starts_odd };
      BlurGridRow<kWidth>(first(at), first(at - 1) + (odd - 1) * kWidth,
                          first(at + 1) + odd * kWidth, shape, at, second(at));
    }
    const int done = row - 3;
    if (done >= kGridRowsBeyond && done < last)
      BlurGridRow<kWidth>(second(done), second(done - 2), second(done + 2), shape, done,
                          values + done * row_floats);
  }
}

// One run of points being splatted.
template <typename Rows>
struct RegionStream {
  RegionStream(const GridRun& run, const Corner* corners, const char* marginals)
      : corner(corners + size_t{run.begin} * 3),
        marginal(marginals + size_t{run.begin} * Rows::kBytes),
        shift(static_cast<uint32_t>(run.shift)),
        count(run.count) {}

  const Corner* corner;
  const char* marginal;
  uint32_t shift;
  uint32_t count;
};

template <typename Rows>
I2CRC_CRF_INLINE void RegionStep(RegionStream<Rows>& stream, float* first, float* second) {
  const typename Rows::Row row = Rows::Load(stream.marginal);
  for (int k = 0; k < 3; ++k) {
    const uint32_t place = stream.corner[k].index + stream.shift;
    Rows::StorePlace(first, second, place,
                     Plus(Rows::LoadPlace(first, second, place), stream.corner[k].weight, row));
  }
  stream.corner += 3;
  stream.marginal += Rows::kBytes;
}

// Two runs at once, an even number of them: points that follow each other share vertices, and each
// addition waits for the one before it.
template <typename Rows>
void FilterRegionPass(const GridShape& shape, const Corner* corners, const GridRun* runs,
                      int run_count, const void* marginals, float* values, float* scratch) {
  const int places = shape.rows * shape.columns;
  float* const first = values;
  float* const second = values + int64_t{shape.places} * Rows::kFirstPlane;
  __builtin_memset(first, 0, static_cast<size_t>(places) * Rows::kFirstPlane * sizeof(float));
  __builtin_memset(second, 0, static_cast<size_t>(places) * Rows::kSecondPlane * sizeof(float));
  const char* from = static_cast<const char*>(marginals);
  for (int r = 0; r < run_count; r += 2) {
    // No hardware foresees where the next runs begin.
    for (int ahead = 0; ahead < 2; ++ahead) {
      const char* next = from + size_t{runs[r + kGridRunsAhead + ahead].begin} * Rows::kBytes;
      for (size_t at = 0; at < kLanePoints * Rows::kBytes; at += 64) __builtin_prefetch(next + at);
    }
    RegionStream<Rows> a(runs[r], corners, from);
    RegionStream<Rows> b(runs[r + 1], corners, from);
    const uint32_t both = a.count < b.count ? a.count : b.count;
    for (uint32_t i = 0; i < both; ++i) {
      RegionStep(a, first, second);
      RegionStep(b, first, second);
    }
    for (uint32_t i = both; i < a.count; ++i) RegionStep(a, first, second);
    for (uint32_t i = both; i < b.count; ++i) RegionStep(b, first, second);
  }
  BlurGrid<Rows::kFirstPlane>(shape, first, scratch);
  if constexpr (Rows::kSecondPlane > 0) BlurGrid<Rows::kSecondPlane>(shape, second, scratch);
}

}  // namespace
}  // namespace i2crc::crf
