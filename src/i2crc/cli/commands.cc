// SPDX-License-Identifier: Apache-2.0
#include "i2crc/cli/command.h"

namespace i2crc {

std::vector<Command> AllCommands() {
  return {SaliencyCommand(), TrainTagsCommand(), TrainClsCommand(), CamCommand(),
          ObjectsCommand(),  LabelCommand(),     TrainSegCommand(), PredictCommand(),
          CrfCommand(),      RefineCommand(),    ChooseCommand(),   EvalCommand(),
          WeightsCommand(),  SynthCommand(),     RunCommand(),      DemoCommand()};
}

}  // namespace i2crc
