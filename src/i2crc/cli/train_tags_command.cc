// SPDX-License-Identifier: Apache-2.0
#include "i2crc/cli/command.h"
#include "i2crc/cli/network_command_help.h"
#include "i2crc/network_steps/train_tags_step.h"

namespace i2crc {

Command TrainTagsCommand() {
  return MakeCommand<TrainTagsOptions>(
      TrainTagsHelp(),
      [](const TrainTagsOptions& options, const ParsedCommandLine&, Context& context) {
        const TrainTagsResult result = PrepareTrainTags(options, context).Run(context);
        context.log().info("train-tags: mean average precision {:.1f} % of unseen photographs, {}",
                           100 * result.mean_precision, options.out.string());
        return 0;
      });
}

}  // namespace i2crc
