// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace i2crc::crf {

// All throw std::invalid_argument, with the argument's name in front, where something does not
// hold.
void Require(bool holds, const std::string& message);
void RequireSize(const char* name, size_t size, int64_t expected);
enum class Values { kFinite, kFiniteNotNegative, kFiniteOrInfinite };  // the last: +∞, not −∞
void RequireValues(const char* name, std::span<const float> values, Values allowed);
// Finite, above 0, and wide enough for the lattice of values 0 … extent.
void RequireSigma(const char* name, float sigma, int extent);

}  // namespace i2crc::crf
