// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace i2crc::crf {

// What a kernel's filter L is divided by, with Z = L(1) (ALGORITHM.md): before filtering, after it,
// or by the root of Z on both sides.
enum class Normalization { kNone, kBefore, kAfter, kSymmetric };

// What a point's marginals are multiplied with before filtering, and the result after it.
struct Factors {
  float before;
  float after;
};

// z: Z at the point.
Factors FactorsFor(Normalization normalization, float z);

// 1/(1 + 2^−d), by which a lattice of d features multiplies what it slices.
float LatticeFactor(int dims);

}  // namespace i2crc::crf
