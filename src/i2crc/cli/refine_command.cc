// SPDX-License-Identifier: Apache-2.0
#include "i2crc/cli/command.h"
#include "i2crc/steps/refine_step.h"

namespace i2crc {

Command RefineCommand() {
  return MakeCommand<RefineOptions>(
      {.name = "refine",
       .summary = "better labels from predictions, tags and initial labels",
       .details =
           "Writes OUT/ID.png, a palette PNG with 0 for background, k + 1 for class k and 255 "
           "for pixels that the rules leave open.",
       .positionals = {}},
      [](const RefineOptions& options, const ParsedCommandLine&, Context& context) {
        const RefineResult result = PrepareRefine(options, context).Run(context);
        context.log().info(
            "refine: {} masks in {}; {:.2f} % of the pixels ignored, {} masks wholly",
            result.images, options.out.string(), 100 * result.ignored_share(),
            result.wholly_ignored);
        return 0;
      });
}

}  // namespace i2crc
