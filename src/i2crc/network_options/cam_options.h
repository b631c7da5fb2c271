// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <vector>

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

}  // namespace i2crc
