// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "i2crc/cli/command.h"
#include "i2crc/pipeline/train_cls_step.h"

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
        const TrainingResult result = RunTrainCls(options, context);
        context.log().info(
            "train-cls: {} steps, loss {:.4f}, {:.1f} s ({:.1f} % waiting for data), {}",
            result.steps, result.last_loss, result.seconds,
            100 * result.waited / std::max(result.seconds, 1e-9),
            (options.out / "checkpoint.safetensors").string());
        return 0;
      });
}

}  // namespace i2crc
