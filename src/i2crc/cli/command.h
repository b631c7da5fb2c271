// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "i2crc/core/context.h"
#include "i2crc/options/command_line.h"

namespace i2crc {

// A command: its help, its options, and what it does. run returns the exit status of success: 0, or
// 1 where a threshold was missed; left-out items are added by the caller. Of a command that another
// program does (cli/network_program.h) it is empty.
struct Command {
  CommandHelp help;
  std::function<void(OptionSet&)> describe;
  std::function<int(const ParsedCommandLine&, Context&)> run;
  // What --print-config prints where it is more than the command's own section; may be empty.
  std::function<std::string(const OptionSet&, const ParsedCommandLine&)> print_config = {};
};

// A command around an options struct: `run` gets the filled struct.
template <typename Options>
Command MakeCommand(CommandHelp help,
                    std::function<int(const Options&, const ParsedCommandLine&, Context&)> run) {
  auto options = std::make_shared<Options>();
  return {std::move(help),
          [options](OptionSet& set) { Describe(*options, set); },
          [options, run = std::move(run)](const ParsedCommandLine& line, Context& context) {
            return run(*options, line, context);
          },
          {}};
}

// In the order of --help.
std::vector<Command> AllCommands();

Command SaliencyCommand();
Command TrainClsCommand();
Command ObjectsCommand();
Command TrainTagsCommand();
Command CamCommand();
Command LabelCommand();
Command TrainSegCommand();
Command PredictCommand();
Command CrfCommand();
Command RefineCommand();
Command ChooseCommand();
Command EvalCommand();
Command WeightsCommand();
Command SynthCommand();
Command RunCommand();
Command DemoCommand();

}  // namespace i2crc
