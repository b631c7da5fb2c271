// SPDX-License-Identifier: Apache-2.0
#include <cstdio>

#include "i2crc/cli/command.h"
#include "i2crc/run/demo_step.h"

namespace i2crc {

Command DemoCommand() {
  return MakeCommand<DemoOptions>(
      {.name = "demo",
       .summary = "the whole method on synthetic scenes, in minutes, with a summary",
       .details = "Draws scenes (synth), runs all stages on them with small networks from scratch, "
                  "and compares with "
                  "attention maps without relation losses and with the ceiling, a network trained "
                  "on the true masks.",
       .positionals = {}},
      [](const DemoOptions& options, const ParsedCommandLine&, Context& context) {
        std::fputs(RunDemo(options, context).table.c_str(), stdout);
        return 0;
      },
      RunsNetwork::kYes);
}

}  // namespace i2crc
