// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <vector>

#include "i2crc/core/context.h"
#include "i2crc/core/work.h"
#include "i2crc/inputs/common_options.h"
#include "i2crc/options/option_set.h"

namespace i2crc {

// Stage 2 of ALGORITHM.md: an attention map per image and tag.
struct CamOptions {
  std::filesystem::path checkpoint, images, list, out, classes;
  std::vector<double> scales = {1};  // of the checkpoint's input size
  bool flip = false;                 // average with the mirrored image
  bool scores = false;               // also write ID.safetensors
  int input_size = 0;                // 0: the checkpoint's
  ItemOptions items;
  ComputeOptions compute;
};
void Describe(CamOptions& options, OptionSet& set);

struct CamResult {
  int64_t images = 0;
  int64_t maps = 0;
};

// Writes OUT/ID_k.png for every tag k of every image and, with scores, OUT/ID.safetensors: the
// averaged score map of each tag under the tag's index, f32 [h, w].
Work<CamResult> PrepareCam(const CamOptions& options, Context& context);

}  // namespace i2crc
