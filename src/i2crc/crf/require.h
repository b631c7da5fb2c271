// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace i2crc::crf {

// Beyond it numbers mean nothing, and products and sums of them would leave the floats.
constexpr float kLargestNumber = 1e18F;
constexpr float kLargestWeight = 1e9F;

// All throw std::invalid_argument, with the argument's name in front, where something does not
// hold.
void Require(bool holds, const std::string& message);
void RequireSize(const char* name, size_t size, int64_t expected);
// least ≤ value ≤ most; never NaN.
void RequireWithin(const char* name, std::span<const float> values, float least, float most);
// 0 … kMostThreads; as many, or all cores where it is 0.
int RequiredThreads(int threads);
// Finite, above 0, and wide enough for the lattice of values 0 … extent.
void RequireSigma(const char* name, float sigma, int extent);

}  // namespace i2crc::crf
