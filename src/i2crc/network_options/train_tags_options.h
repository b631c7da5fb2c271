// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>

#include "i2crc/inputs/common_options.h"
#include "i2crc/options/option_set.h"

namespace i2crc {

// A network that tells which tags a photograph has, for photographs whose tags nobody gave:
// logistic regression on the mean features of a backbone that stays as ImageNet made it. A few
// hundred photographs are enough for it, where a network trained as a whole learns them by heart.
struct TrainTagsOptions : TrainingOptions {
  std::string arch = "resnet50-stride32";
  int input_size = 320;
  int try_input_size = 0;  // 0: none
};
void Describe(TrainTagsOptions& options, OptionSet& set);

}  // namespace i2crc
