// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "i2crc/cli/command.h"
#include "i2crc/pipeline/train_seg_step.h"

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
        const TrainingResult result = RunTrainSeg(options, context);
        context.log().info(
            "train-seg: {} steps, loss {:.4f}, {:.1f} s ({:.1f} % waiting for data), {}",
            result.steps, result.last_loss, result.seconds,
            100 * result.waited / std::max(result.seconds, 1e-9),
            (options.out / "checkpoint.safetensors").string());
        return 0;
      });
}

}  // namespace i2crc
