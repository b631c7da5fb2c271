// SPDX-License-Identifier: Apache-2.0
#include "i2crc/cli/command.h"
#include "i2crc/network_steps/objects_step.h"

namespace i2crc {

Command ObjectsCommand() {
  return MakeCommand<ObjectsOptions>(
      {.name = "objects",
       .summary = "object maps from photographs and tags alone, in place of saliency maps",
       .details = "For photographs whose objects no saliency detector finds, or where there is "
                  "none: what attention sees a part of, grown to all that looks alike in all "
                  "photographs of the list. label, predict and choose take OUT as --saliency. "
                  "OUT/report.json says what share of the photographs was taken for objects.",
       .positionals = {}},
      [](const ObjectsOptions& options, const ParsedCommandLine&, Context& context) {
        const ObjectsResult result = PrepareObjects(options, context).Run(context);
        context.log().info("objects: {} maps, {:g} % of the tagged photographs are objects, {}",
                           result.images, 100 * result.share, options.out.string());
        return 0;
      },
      RunsNetwork::kYes);
}

}  // namespace i2crc
