// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace i2crc::crf {

enum class InstructionSet { kBest, kPortable, kAvx2, kAvx512 };

// Those that this build and this machine have, the slowest first; never kBest.
std::vector<InstructionSet> AvailableInstructionSets();

// "best", "portable", "avx2", "avx512".
const char* NameOf(InstructionSet set);
// Throws std::invalid_argument for another name.
InstructionSet InstructionSetNamed(const std::string& name);

}  // namespace i2crc::crf
