// SPDX-License-Identifier: Apache-2.0
#include "i2crc/cli/command.h"
#include "i2crc/cli/network_command_help.h"
#include "i2crc/network_steps/cam_step.h"

namespace i2crc {

Command CamCommand() {
  return MakeCommand<CamOptions>(
      CamHelp(), [](const CamOptions& options, const ParsedCommandLine&, Context& context) {
        const CamResult result = PrepareCam(options, context).Run(context);
        context.log().info("cam: {} maps of {} images in {}", result.maps, result.images,
                           options.out.string());
        return 0;
      });
}

}  // namespace i2crc
