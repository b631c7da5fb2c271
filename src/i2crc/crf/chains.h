// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>

#include "i2crc/crf/kernels.h"
#include "i2crc/crf/lattice.h"

namespace i2crc::crf {

// Entries of a list that are worked on in one piece.
constexpr uint32_t kPiece = 8192;

// The chains of an axis, in the order of their heads. next[v] = the vertex after v, or kNoVertex;
// has_previous[v]: whether v is one. heads: memory.
void MakeChains(const Kernels& kernels, std::span<const uint32_t> next,
                std::span<const uint8_t> has_previous, AlignedVector<uint32_t>& heads,
                ChainList& list);

}  // namespace i2crc::crf
