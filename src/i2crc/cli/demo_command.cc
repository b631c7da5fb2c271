// SPDX-License-Identifier: Apache-2.0
#include <cstdio>

#include "i2crc/cli/command.h"
#include "i2crc/cli/network_command_help.h"
#include "i2crc/run/demo_step.h"

namespace i2crc {

Command DemoCommand() {
  return MakeCommand<DemoOptions>(
      DemoHelp(), [](const DemoOptions& options, const ParsedCommandLine&, Context& context) {
        std::fputs(RunDemo(options, context).table.c_str(), stdout);
        return 0;
      });
}

}  // namespace i2crc
