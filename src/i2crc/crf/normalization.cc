// SPDX-License-Identifier: Apache-2.0
#include "i2crc/crf/normalization.h"

#include <cmath>

namespace i2crc::crf {

Factors FactorsFor(Normalization normalization, float z) {
  constexpr float kNothing = 1e-20F;
  switch (normalization) {
    case Normalization::kNone:
      return {1.0F, 1.0F};
    case Normalization::kBefore:
      return {1.0F / (z + kNothing), 1.0F};
    case Normalization::kAfter:
      return {1.0F, 1.0F / (z + kNothing)};
    case Normalization::kSymmetric:
      break;
  }
  const float root = 1.0F / std::sqrt(z + kNothing);
  return {root, root};
}

float LatticeFactor(int dims) { return 1.0F / (1.0F + std::ldexp(1.0F, -dims)); }

}  // namespace i2crc::crf
