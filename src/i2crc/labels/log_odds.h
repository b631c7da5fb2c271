// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>

namespace i2crc {

// Of a probability that is clipped to 0.02 … 0.98 before: every source is wrong somewhere, and none
// decides alone.
inline float LogOdds(float probability) {
  const float kept = std::clamp(probability, 0.02F, 0.98F);
  return std::log(kept / (1 - kept));
}

inline float Probability(float log_odds) { return 1 / (1 + std::exp(-log_odds)); }

}  // namespace i2crc
