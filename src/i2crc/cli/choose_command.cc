// SPDX-License-Identifier: Apache-2.0
#include "i2crc/cli/command.h"
#include "i2crc/steps/choose_step.h"

namespace i2crc {

Command ChooseCommand() {
  return MakeCommand<ChooseOptions>(
      {.name = "choose",
       .summary = "keeps the better of two rounds of masks, judged without truth",
       .details =
           "Saliency, a network that has not seen the photographs, and attention are three "
           "opinions about what is an object. How far each can be trusted is learned from how they "
           "agree; the masks that then can be expected to be nearer to the truth are written to "
           "OUT, what was expected of both to OUT/choice.json.",
       .positionals = {}},
      [](const ChooseOptions& options, const ParsedCommandLine&, Context& context) {
        LogChoice(options, PrepareChoose(options, context).Run(context), context);
        return 0;
      });
}

}  // namespace i2crc
