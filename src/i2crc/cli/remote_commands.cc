// SPDX-License-Identifier: Apache-2.0
// The commands that want libtorch or OpenCV, as the light program has them: described, not done.
#include "i2crc/cli/command.h"
#include "i2crc/cli/network_command_help.h"
#include "i2crc/network_options/cam_options.h"
#include "i2crc/network_options/demo_options.h"
#include "i2crc/network_options/objects_options.h"
#include "i2crc/network_options/predict_options.h"
#include "i2crc/network_options/run_options.h"
#include "i2crc/network_options/saliency_options.h"
#include "i2crc/network_options/train_cls_options.h"
#include "i2crc/network_options/train_seg_options.h"
#include "i2crc/network_options/train_tags_options.h"

namespace i2crc {
namespace {

template <typename Options>
Command Remote(CommandHelp help) {
  Command command = MakeCommand<Options>(std::move(help), {});
  command.run = nullptr;
  return command;
}

}  // namespace

Command SaliencyCommand() { return Remote<SaliencyOptions>(SaliencyHelp()); }
Command TrainTagsCommand() { return Remote<TrainTagsOptions>(TrainTagsHelp()); }
Command TrainClsCommand() { return Remote<TrainClsOptions>(TrainClsHelp()); }
Command CamCommand() { return Remote<CamOptions>(CamHelp()); }
Command ObjectsCommand() { return Remote<ObjectsOptions>(ObjectsHelp()); }
Command TrainSegCommand() { return Remote<TrainSegOptions>(TrainSegHelp()); }
Command PredictCommand() { return Remote<PredictOptions>(PredictHelp()); }
Command RunCommand() { return Remote<RunOptions>(RunHelp()); }
Command DemoCommand() { return Remote<DemoOptions>(DemoHelp()); }

}  // namespace i2crc
