// SPDX-License-Identifier: Apache-2.0
#include "i2crc/cli/command.h"
#include "i2crc/network_steps/train_tags_step.h"

namespace i2crc {

Command TrainTagsCommand() {
  return MakeCommand<TrainTagsOptions>(
      {.name = "train-tags",
       .summary = "a network that tells the tags of photographs",
       .details = "Logistic regression on the features of a backbone that stays as it is: minutes "
                  "instead of hours. predict --tags guessed --attention OUT/checkpoint.safetensors "
                  "uses it; OUT/report.json says how well it tells photographs that it did not "
                  "learn from.",
       .positionals = {}},
      [](const TrainTagsOptions& options, const ParsedCommandLine&, Context& context) {
        const TrainTagsResult result = PrepareTrainTags(options, context).Run(context);
        context.log().info("train-tags: mean average precision {:.1f} % of unseen photographs, {}",
                           100 * result.mean_precision, options.out.string());
        return 0;
      },
      RunsNetwork::kYes);
}

}  // namespace i2crc
