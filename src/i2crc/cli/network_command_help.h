// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "i2crc/options/command_line.h"

namespace i2crc {

// What --help says of the commands that the network program does, for it and for the light one.
CommandHelp SaliencyHelp();
CommandHelp TrainTagsHelp();
CommandHelp TrainClsHelp();
CommandHelp CamHelp();
CommandHelp ObjectsHelp();
CommandHelp TrainSegHelp();
CommandHelp PredictHelp();
CommandHelp RunHelp();
CommandHelp DemoHelp();

}  // namespace i2crc
