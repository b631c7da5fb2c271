// SPDX-License-Identifier: Apache-2.0
#include "i2crc/cli/command.h"
#include "i2crc/cli/network_command_help.h"
#include "i2crc/cli/training_log.h"
#include "i2crc/network_steps/train_seg_step.h"

namespace i2crc {

Command TrainSegCommand() {
  return MakeCommand<TrainSegOptions>(TrainSegHelp(), [](const TrainSegOptions& options,
                                                         const ParsedCommandLine&,
                                                         Context& context) {
    LogTraining("train-seg", PrepareTrainSeg(options, context).Run(context), options.out, context);
    return 0;
  });
}

}  // namespace i2crc
