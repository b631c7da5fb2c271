// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>

#include "i2crc/core/context.h"
#include "i2crc/train/training_loop.h"

namespace i2crc {

// The closing line of a training command: steps, loss, time and where the checkpoint is.
void LogTraining(const std::string& command, const TrainingResult& result,
                 const std::filesystem::path& out, Context& context);

}  // namespace i2crc
