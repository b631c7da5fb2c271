// SPDX-License-Identifier: Apache-2.0
#include "i2crc/cli/command.h"
#include "i2crc/cli/training_log.h"
#include "i2crc/network_steps/train_cls_step.h"

namespace i2crc {

Command TrainClsCommand() {
  return MakeCommand<TrainClsOptions>(
      {.name = "train-cls",
       .summary = "train the attention network on tags and saliency maps",
       .details =
           "Defaults are the paper's. Weights of 0 for --intra-foreground, --intra-background and "
           "--inter train the plain CAM baseline. Given the same --out again it goes on where it "
           "was "
           "cut off.",
       .positionals = {}},
      [](const TrainClsOptions& options, const ParsedCommandLine&, Context& context) {
        LogTraining("train-cls", PrepareTrainCls(options, context).Run(context), options.out,
                    context);
        return 0;
      },
      RunsNetwork::kYes);
}

}  // namespace i2crc
