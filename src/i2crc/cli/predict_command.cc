// SPDX-License-Identifier: Apache-2.0
#include "i2crc/cli/command.h"
#include "i2crc/network_steps/predict_step.h"

namespace i2crc {

Command PredictCommand() {
  return MakeCommand<PredictOptions>(
      {.name = "predict",
       .summary = "masks of photographs by a trained segmentation network",
       .details = "Writes OUT/ID.png, a palette PNG with 0 for background and k + 1 for class k. "
                  "With --crf the dense CRF fits the probabilities to the photograph first.",
       .positionals = {}},
      [](const PredictOptions& options, const ParsedCommandLine&, Context& context) {
        const PredictResult result = PreparePredict(options, context).Run(context);
        context.log().info("predict: {} masks in {}", result.images, options.out.string());
        return 0;
      },
      RunsNetwork::kYes);
}

}  // namespace i2crc
