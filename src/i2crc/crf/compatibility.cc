// SPDX-License-Identifier: Apache-2.0
#include <utility>

#include "i2crc/crf/dense_crf.h"
#include "i2crc/crf/require.h"

namespace i2crc::crf {

Compatibility Compatibility::Potts(float weight) { return {Kind::kPotts, {weight}}; }
Compatibility Compatibility::PerLabel(std::vector<float> diagonal) {
  return {Kind::kPerLabel, std::move(diagonal)};
}
Compatibility Compatibility::Matrix(std::vector<float> matrix) {
  return {Kind::kMatrix, std::move(matrix)};
}

std::vector<float> Compatibility::Diagonal(int labels) const {
  RequireWithin("compat", values_, -kLargestWeight, kLargestWeight);
  if (kind_ == Kind::kMatrix) return {};
  if (kind_ == Kind::kPotts) return std::vector<float>(static_cast<size_t>(labels), -values_[0]);
  RequireSize("compat", values_.size(), labels);
  return values_;
}

std::vector<float> Compatibility::Symmetric(int labels) const {
  const auto count = static_cast<size_t>(labels);
  std::vector<float> matrix(count * count, 0.0F);
  if (kind_ != Kind::kMatrix) {
    const std::vector<float> diagonal = Diagonal(labels);
    for (size_t l = 0; l < count; ++l) matrix[l * count + l] = diagonal[l];
    return matrix;
  }
  RequireWithin("compat", values_, -kLargestWeight, kLargestWeight);
  RequireSize("compat", values_.size(), int64_t{labels} * labels);
  for (size_t i = 0; i < count; ++i)
    for (size_t j = 0; j < count; ++j)
      matrix[i * count + j] = 0.5F * (values_[i * count + j] + values_[j * count + i]);
  return matrix;
}

}  // namespace i2crc::crf
