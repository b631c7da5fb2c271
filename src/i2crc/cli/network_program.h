// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace i2crc {

// Two programs do the commands. `i2crc` itself loads neither libtorch nor OpenCV, which take half a
// second of processor time: it describes all commands and does those that need neither. The others
// are done by libexec/i2crc/i2crc-network, which it becomes (exec: process, signals and exit status
// are the same).

// Does not return. Sets what libgomp reads when it is loaded: its threads wait for each other by
// spinning unless OMP_WAIT_POLICY says otherwise (ARCHITECTURE.md has what that costs). Throws
// Error where the other program is not there.
[[noreturn]] void BecomeNetworkProgram(const std::string& command,
                                       const std::vector<std::string>& arguments);

}  // namespace i2crc
