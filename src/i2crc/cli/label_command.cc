// SPDX-License-Identifier: Apache-2.0
#include "i2crc/cli/command.h"
#include "i2crc/steps/label_step.h"

namespace i2crc {

Command LabelCommand() {
  return MakeCommand<LabelOptions>(
      {.name = "label",
       .summary = "initial labels from attention maps and saliency maps",
       .details =
           "Writes OUT/ID.png, a palette PNG with 0 for background, k + 1 for class k and 255 "
           "for pixels that the rules leave open. Defaults are the paper's.",
       .positionals = {}},
      [](const LabelOptions& options, const ParsedCommandLine&, Context& context) {
        const LabelResult result = PrepareLabel(options, context).Run(context);
        context.log().info(
            "label: {} masks in {}; {:.2f} % of the pixels ignored, {} masks wholly; {} tags "
            "without a map passed over",
            result.images, options.out.string(), 100 * result.ignored_share(),
            result.wholly_ignored, result.tags_without_map);
        return 0;
      });
}

}  // namespace i2crc
