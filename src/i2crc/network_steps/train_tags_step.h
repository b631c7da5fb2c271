// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>

#include "i2crc/core/context.h"
#include "i2crc/core/work.h"
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

struct TrainTagsResult {
  int64_t images = 0;
  double mean_precision = 0;  // average precision of photographs not learned from, mean of classes
};

// Leaves OUT/checkpoint.safetensors, an attention network's checkpoint whose mean scores are the
// tags' logits, and OUT/report.json: what is told of photographs that were not learned from (five
// folds). Throws Error for everything that can be told before work begins.
Work<TrainTagsResult> PrepareTrainTags(const TrainTagsOptions& options, Context& context);

}  // namespace i2crc
