// SPDX-License-Identifier: Apache-2.0
#include "i2crc/cli/command.h"
#include "i2crc/cli/network_command_help.h"
#include "i2crc/saliency/saliency_step.h"

namespace i2crc {

Command SaliencyCommand() {
  return MakeCommand<SaliencyOptions>(
      SaliencyHelp(),
      [](const SaliencyOptions& options, const ParsedCommandLine&, Context& context) {
        const SaliencyResult result = PrepareSaliency(options, context).Run(context);
        context.log().info("saliency: {} maps in {}", result.images, options.out.string());
        if (result.blank > 0)
          context.log().warn("{} of the maps show nothing salient", result.blank);
        return 0;
      });
}

}  // namespace i2crc
