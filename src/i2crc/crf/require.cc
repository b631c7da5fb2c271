// SPDX-License-Identifier: Apache-2.0
#include "i2crc/crf/require.h"

#include <array>
#include <cmath>
#include <cstdio>
#include <limits>
#include <stdexcept>

#include "i2crc/threads/threads.h"

namespace i2crc::crf {
namespace {

// Short: 0.5, 1e+18, nan, inf.
std::string Text(float value) {
  std::array<char, 32> text;
  std::snprintf(text.data(), text.size(), "%g", double{value});
  return text.data();
}

}  // namespace

void Require(bool holds, const std::string& message) {
  if (!holds) throw std::invalid_argument(message);
}

int RequiredThreads(int threads) {
  Require(
      threads >= 0 && threads <= kMostThreads,
      "threads: " + std::to_string(threads) + ", expected 0 to " + std::to_string(kMostThreads));
  return ThreadCount(threads);
}

void RequireSize(const char* name, size_t size, int64_t expected) {
  Require(size == static_cast<size_t>(expected), std::string(name) + ": " + std::to_string(size) +
                                                     " values, expected " +
                                                     std::to_string(expected));
}

void RequireWithin(const char* name, std::span<const float> values, float least, float most) {
  // Without a way out of the loop, so that it is done many values at once. NaN is never within.
  unsigned outside = 0;
  for (const float value : values)
    outside |= static_cast<unsigned>(!(value >= least)) | static_cast<unsigned>(!(value <= most));
  if (outside == 0) return;
  for (size_t i = 0; i < values.size(); ++i) {
    if (values[i] >= least && values[i] <= most) continue;
    throw std::invalid_argument(std::string(name) + ": value " + std::to_string(i) + " is " +
                                Text(values[i]) + ", expected " + Text(least) + " to " +
                                Text(most));
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
