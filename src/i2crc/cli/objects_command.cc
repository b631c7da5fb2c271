// SPDX-License-Identifier: Apache-2.0
#include "i2crc/cli/command.h"
#include "i2crc/network_steps/objects_step.h"

namespace i2crc {

Command ObjectsCommand() {
  return MakeCommand<ObjectsOptions>(
      {.name = "objects",
       .summary = "maps of the tags' objects, beside a detector's or in place of them",
       .details =
           "What attention sees a part of, grown to all that looks alike in all photographs "
           "of the list; with --saliency what these maps and a detector's say together. "
           "label and predict take OUT as --saliency. OUT/report.json says what share of the "
           "photographs was taken for objects.",
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
