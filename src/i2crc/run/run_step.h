// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "i2crc/core/context.h"
#include "i2crc/run/run_configuration.h"
#include "i2crc/stages/stage.h"

namespace i2crc {

// The stages of the configuration: those that it has inputs for (saliency only with a model,
// predict-val with a val list, eval with truth besides), between --from and --to.
std::vector<Stage> MakeStages(const RunConfiguration& configuration);

// The configuration, versions, seed and checksums of the inputs, for run.json.
nlohmann::ordered_json DescribeRun(const RunConfiguration& configuration);

// Checks everything that can be told before the first stage, so that nothing is found wanting hours
// later: names, headers and sizes of all images, maps and true masks, the devices, the weights'
// tensors, the detector, foreign files and damaged checkpoints in the stages' folders. Throws
// Error.
void CheckRun(const RunConfiguration& configuration, const std::vector<Stage>& stages,
              Context& context);

// Does CheckRun, writes OUT/run.json, OUT/run.log, OUT/metrics.jsonl and does the stages.
std::vector<StageOutcome> RunRun(const RunConfiguration& configuration,
                                 const std::vector<Stage>& stages, Context& context);

}  // namespace i2crc
