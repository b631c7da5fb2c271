// SPDX-License-Identifier: Apache-2.0
#include <cstdio>

#include "i2crc/cli/command.h"
#include "i2crc/core/error.h"
#include "i2crc/options/toml_file.h"
#include "i2crc/pipeline/run_step.h"

namespace i2crc {

Command RunCommand() {
  return MakeCommand<RunOptions>(
      {.name = "run",
       .summary = "all stages into one run directory",
       .details = "Stages: saliency train-cls cam label train-seg-1 predict-train refine "
                  "train-seg-2 predict-val eval, each "
                  "into OUT/STAGE. The configuration holds [run] and a section for each command; "
                  "[train-seg] serves both "
                  "networks, [train-seg-1] and [train-seg-2] override it. Run again, finished "
                  "stages are skipped, those "
                  "whose options or inputs changed are done over, and an interrupted one goes on.",
       .positionals = {}},
      [](const RunOptions& options, const ParsedCommandLine& line, Context& context) {
        if (line.config.empty()) Fail("run needs --config FILE");
        const RunConfiguration configuration =
            ReadRunConfiguration(TomlFile::Read(line.config), options);
        const std::vector<Stage> stages = MakeStages(configuration);
        if (options.dry_run) {
          CheckRun(configuration, stages, context);
          std::fputs(DescribePlan(stages).c_str(), stdout);
          return 0;
        }
        const std::vector<StageOutcome> outcomes = RunRun(configuration, stages, context);
        double final_miou = 100;
        for (const StageOutcome& outcome : outcomes) {
          if (!outcome.scores) continue;
          const double miou = 100 * (*outcome.scores)["mean_iou"].get<double>();
          fmt::print("{:<14} mIoU {:.2f}\n", outcome.name, miou);
          if (outcome.name == "eval") final_miou = miou;
        }
        if (final_miou >= configuration.eval.min_miou) return 0;
        context.log().warn("eval: mIoU {:.4f} % is below min-miou {}", final_miou,
                           configuration.eval.min_miou);
        return 1;
      },
      RunsNetwork::kYes);
}

}  // namespace i2crc
