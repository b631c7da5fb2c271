// SPDX-License-Identifier: Apache-2.0
#include "i2crc/cli/command.h"
#include "i2crc/cli/network_command_help.h"
#include "i2crc/network_steps/objects_step.h"

namespace i2crc {

Command ObjectsCommand() {
  return MakeCommand<ObjectsOptions>(
      ObjectsHelp(), [](const ObjectsOptions& options, const ParsedCommandLine&, Context& context) {
        const ObjectsResult result = PrepareObjects(options, context).Run(context);
        context.log().info("objects: {} maps, {:g} % of the tagged photographs are objects, {}",
                           result.images, 100 * result.share, options.out.string());
        return 0;
      });
}

}  // namespace i2crc
