// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "i2crc/core/context.h"
#include "i2crc/core/work.h"
#include "i2crc/data/augment.h"
#include "i2crc/inputs/common_options.h"
#include "i2crc/losses/relation_losses.h"
#include "i2crc/network_options/train_cls_options.h"
#include "i2crc/options/option_set.h"
#include "i2crc/train/training_loop.h"

namespace i2crc {

// The network that these options train.
NetworkSpec NetworkOf(const TrainClsOptions& options, int classes);

// Leaves what RunTraining leaves. Throws Error for everything that can be told before work begins.
Work<TrainingResult> PrepareTrainCls(const TrainClsOptions& options, Context& context);

}  // namespace i2crc
