// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>

#include "i2crc/core/context.h"
#include "i2crc/core/work.h"
#include "i2crc/inputs/common_options.h"
#include "i2crc/network_options/train_tags_options.h"
#include "i2crc/options/option_set.h"

namespace i2crc {

struct TrainTagsResult {
  int64_t images = 0;
  double mean_precision = 0;  // average precision of photographs not learned from, mean of classes
};

// Leaves OUT/checkpoint.safetensors, an attention network's checkpoint whose mean scores are the
// tags' logits, and OUT/report.json: what is told of photographs that were not learned from (five
// folds). Throws Error for everything that can be told before work begins.
Work<TrainTagsResult> PrepareTrainTags(const TrainTagsOptions& options, Context& context);

}  // namespace i2crc
