// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "i2crc/weights/tensor.h"

namespace i2crc {

// The globals that a state dict and what PyTorch users save beside it (optimizer, counters) name.
// All others are refused: a pickle's power to do harm lies in them.
enum class GlobalKind {
  kDict,         // makes a dictionary
  kSize,         // makes a tuple of its one argument
  kParameter,    // stands for its first argument: a tensor, or any value with its type beside it
  kFunction,     // makes a value of its own kind: a tensor, or one that is passed over
  kNotCallable,  // a class or constant that is an argument only
};

bool IsAllowedGlobal(const std::string& module, const std::string& name);
// Of an allowed "module.name".
GlobalKind KindOfGlobal(const std::string& global);
// The dtype of a storage class ("torch.FloatStorage"); nothing for any other global.
std::optional<DType> StorageDType(const std::string& global);

}  // namespace i2crc
