// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace i2crc::crf {

// What a kernel's filter L is divided by, with Z = L(1) (ALGORITHM.md): before filtering, after it,
// or by the root of Z on both sides.
enum class Normalization { kNone, kBefore, kAfter, kSymmetric };

}  // namespace i2crc::crf
