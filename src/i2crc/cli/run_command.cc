// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdio>

#include "i2crc/cli/command.h"
#include "i2crc/cli/network_command_help.h"
#include "i2crc/core/error.h"
#include "i2crc/options/command_line.h"
#include "i2crc/options/toml_file.h"
#include "i2crc/run/rehearsal.h"
#include "i2crc/run/run_plan.h"
#include "i2crc/run/run_step.h"
#include "i2crc/run/stage_names.h"

namespace i2crc {

namespace {

// Every section, with what the recipe makes of the data; before there are data to derive it from
// [run] alone.
std::string PrintRunConfig(const OptionSet& set, const ParsedCommandLine& line) {
  const auto& options = set.options();
  const bool is_complete = !line.config.empty() &&
                           std::none_of(options.begin(), options.end(), [](const Option& option) {
                             return option.required() && option.empty();
                           });
  if (!is_complete) return ToToml("run", set);
  // The set fills a struct that only MakeCommand knows; this one is filled with the same values.
  RunOptions options_of_run;
  OptionSet copy;
  Describe(options_of_run, copy);
  for (const Option& option : options) copy.Find(option.name())->SetFromJson(option.ToJson(), {});
  Context context;
  const TomlFile file = TomlFile::Read(line.config);
  return ToToml(FitIntoMinutes(ReadRunConfiguration(file, options_of_run), file, context));
}

}  // namespace

Command RunCommand() {
  Command command = MakeCommand<RunOptions>(
      RunHelp(), [](const RunOptions& options, const ParsedCommandLine& line, Context& context) {
        if (line.config.empty()) Fail("run needs --config FILE");
        const TomlFile file = TomlFile::Read(line.config);
        RunConfiguration configuration = ReadRunConfiguration(file, options);
        if (options.minutes > 0) {
          CheckRun(configuration, MakeStages(configuration), context);
          configuration = FitIntoMinutes(configuration, file, context);
        }
        const std::vector<Stage> stages = MakeStages(configuration);
        if (options.dry_run) {
          CheckRun(configuration, stages, context);
          std::fputs(DescribePlan(configuration, stages, context).c_str(), stdout);
          return 0;
        }
        const std::vector<StageOutcome> outcomes = RunRun(configuration, stages, context);
        double final_miou = 100;
        for (const StageOutcome& outcome : outcomes) {
          if (!outcome.scores) continue;
          const double miou = 100 * (*outcome.scores)["mean_iou"].get<double>();
          fmt::print("{:<14} mIoU {:.2f}\n", outcome.name, miou);
          if (outcome.name == NameOf(StageId::kEval)) final_miou = miou;
        }
        if (final_miou >= configuration.eval.min_miou) return 0;
        context.log().warn("eval: mIoU {:.4f} % is below min-miou {}", final_miou,
                           configuration.eval.min_miou);
        return 1;
      });
  command.print_config = PrintRunConfig;
  return command;
}

}  // namespace i2crc
