// SPDX-License-Identifier: Apache-2.0
#include "i2crc/cli/command.h"
#include "i2crc/cli/training_log.h"
#include "i2crc/network_steps/train_seg_step.h"

namespace i2crc {

Command TrainSegCommand() {
  return MakeCommand<TrainSegOptions>(
      {.name = "train-seg",
       .summary = "train a segmentation network on masks",
       .details = "Masks hold 0 for background, k + 1 for class k and 255 for ignored pixels. "
                  "Defaults are the "
                  "paper's. Given the same --out again it goes on where it was cut off.",
       .positionals = {}},
      [](const TrainSegOptions& options, const ParsedCommandLine&, Context& context) {
        LogTraining("train-seg", PrepareTrainSeg(options, context).Run(context), options.out,
                    context);
        return 0;
      },
      RunsNetwork::kYes);
}

}  // namespace i2crc
