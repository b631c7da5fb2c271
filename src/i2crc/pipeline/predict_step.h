// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>

#include "i2crc/core/context.h"
#include "i2crc/options/option_set.h"
#include "i2crc/pipeline/common_options.h"

namespace i2crc {

// Prediction of stage 4 of ALGORITHM.md: whole photographs, logits enlarged, softmax, argmax.
struct PredictOptions {
  std::filesystem::path checkpoint, images, list, out, classes;
  bool probabilities = false;  // also ID.safetensors: `probability`, f16 [C+1, H, W]
  bool overlay = false;        // also ID_overlay.jpg: the mask laid over the photograph
  ItemOptions items;
  ComputeOptions compute;
};
void Describe(PredictOptions& options, OptionSet& set);

struct PredictResult {
  int64_t images = 0;
};

// Writes OUT/ID.png for every image of the list, or of the folder where there is no list.
PredictResult RunPredict(const PredictOptions& options, Context& context);

}  // namespace i2crc
