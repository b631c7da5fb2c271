// SPDX-License-Identifier: Apache-2.0
#include "i2crc/crf/vertex_keys.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <stdexcept>
#include <string>

namespace i2crc::crf {
namespace {

// Beyond it the cells of a point are no exact floats.
constexpr int32_t kLargestCell = 1 << 22;

}  // namespace

FieldPlan PlanFields(std::span<const int32_t> cells, int dims) {
  std::array<int32_t, kMaxDims> least;
  std::array<int32_t, kMaxDims> most;
  least.fill(std::numeric_limits<int32_t>::max());
  most.fill(std::numeric_limits<int32_t>::min());
  const size_t row = kLanePoints;
  for (size_t at = 0; at < cells.size(); at += row) {
    const size_t i = at / row % static_cast<size_t>(dims);
    for (size_t lane = 0; lane < row; ++lane) {
      least[i] = std::min(least[i], cells[at + lane]);
      most[i] = std::max(most[i], cells[at + lane]);
    }
  }
  FieldPlan plan{};
  int word = 0;
  int bit = kResidueBits;
  for (size_t i = 0; i < static_cast<size_t>(dims); ++i) {
    if (least[i] < -kLargestCell || most[i] > kLargestCell)
      throw std::invalid_argument("features: more than " + std::to_string(kLargestCell) +
                                  " cells of the lattice from 0; a larger sigma is needed");
    // m_i is a cell or one less; a neighbour's one more or less.
    const int32_t bias = 2 - least[i];
    const int width = std::bit_width(static_cast<uint32_t>(most[i] + 1 + bias));
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

}  // namespace i2crc::crf
