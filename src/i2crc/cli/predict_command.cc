// SPDX-License-Identifier: Apache-2.0
#include "i2crc/cli/command.h"
#include "i2crc/cli/network_command_help.h"
#include "i2crc/network_steps/predict_step.h"

namespace i2crc {

Command PredictCommand() {
  return MakeCommand<PredictOptions>(
      PredictHelp(), [](const PredictOptions& options, const ParsedCommandLine&, Context& context) {
        const PredictResult result = PreparePredict(options, context).Run(context);
        context.log().info("predict: {} masks in {}", result.images, options.out.string());
        return 0;
      });
}

}  // namespace i2crc
