// SPDX-License-Identifier: Apache-2.0
#include "i2crc/crf/require.h"

#include <cmath>
#include <limits>
#include <stdexcept>

namespace i2crc::crf {

void Require(bool holds, const std::string& message) {
  if (!holds) throw std::invalid_argument(message);
}

void RequireSize(const char* name, size_t size, int64_t expected) {
  Require(size == static_cast<size_t>(expected), std::string(name) + ": " + std::to_string(size) +
                                                     " values, expected " +
                                                     std::to_string(expected));
}

void RequireValues(const char* name, std::span<const float> values, Values allowed) {
  constexpr float kMost = std::numeric_limits<float>::max();
  const float least = allowed == Values::kFiniteNotNegative ? 0.0F : -kMost;
  const float most =
      allowed == Values::kFiniteOrInfinite ? std::numeric_limits<float>::infinity() : kMost;
  // Without a way out of the loop, so that it is done many values at once. NaN is never within.
  unsigned outside = 0;
  for (const float value : values)
    outside |= static_cast<unsigned>(!(value >= least)) | static_cast<unsigned>(!(value <= most));
  if (outside == 0) return;
  for (size_t i = 0; i < values.size(); ++i) {
    if (values[i] >= least && values[i] <= most) continue;
    throw std::invalid_argument(std::string(name) + ": value " + std::to_string(i) + " is " +
                                std::to_string(values[i]) + ", expected a finite number" +
                                (allowed == Values::kFiniteNotNegative  ? " that is not negative"
                                 : allowed == Values::kFiniteOrInfinite ? " or +infinity"
                                                                        : ""));
  }
}

void RequireSigma(const char* name, float sigma, int extent) {
  Require(std::isfinite(sigma) && sigma > 0,
          std::string(name) + ": " + std::to_string(sigma) + ", expected a finite number above 0");
  // Five such features together stay within the cells that a lattice can have.
  constexpr float kMostSigmas = 0x1p19F;
  Require(static_cast<float>(extent) / sigma <= kMostSigmas,
          std::string(name) + ": " + std::to_string(sigma) + " is too small for a range of " +
              std::to_string(extent));
}

}  // namespace i2crc::crf
