// SPDX-License-Identifier: Apache-2.0
#include "i2crc/cli/command.h"
#include "i2crc/steps/crf_step.h"

namespace i2crc {

Command CrfCommand() {
  return MakeCommand<CrfStepOptions>(
      {.name = "crf",
       .summary = "the dense CRF over stored probabilities or masks",
       .details = "Writes OUT/ID.png with the indices of the labels: a palette PNG, or 16-bit grey "
                  "where there are more than 256. predict --crf does the same without the way "
                  "through files.",
       .positionals = {}},
      [](const CrfStepOptions& options, const ParsedCommandLine&, Context& context) {
        const CrfResult result = PrepareCrf(options, context).Run(context);
        context.log().info("crf: {} masks in {}", result.images, options.out.string());
        return 0;
      });
}

}  // namespace i2crc
