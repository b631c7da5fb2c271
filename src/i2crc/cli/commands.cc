// SPDX-License-Identifier: Apache-2.0
#include "i2crc/cli/command.h"

namespace i2crc {

std::vector<Command> AllCommands() {
  return {TrainClsCommand(), CamCommand(), TrainSegCommand(), PredictCommand()};
}

}  // namespace i2crc
