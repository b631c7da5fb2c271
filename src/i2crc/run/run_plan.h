// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "i2crc/core/context.h"
#include "i2crc/run/run_configuration.h"
#include "i2crc/stages/stage.h"

namespace i2crc {

// What --dry-run prints: a line a stage, what would be done, why, and the time and disk that it
// takes by a rehearsal (run/rehearsal.h), and the sum. Where nothing has to be done, or where
// the rehearsal fails, nothing is said of time and disk. Warns where the disk is too small.
std::string DescribePlan(const RunConfiguration& configuration, const std::vector<Stage>& stages,
                         Context& context);

}  // namespace i2crc
