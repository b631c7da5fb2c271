// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>

#include "i2crc/inputs/common_options.h"
#include "i2crc/options/option_set.h"

namespace i2crc {

// Object maps, as a saliency detector would make them, from the photographs and their tags alone
// (train/object_layer.h).
struct ObjectsOptions {
  std::filesystem::path checkpoint, cams, images, list, out, classes;
  std::filesystem::path saliency;  // a detector's maps to be pooled with the grown ones, or none
  int input_size = 0;              // 0: one and a half times the checkpoint's
  double share = 0;  // of the tagged photographs' pixels that are objects'; 0: found out
  ItemOptions items;
  ComputeOptions compute;
};
void Describe(ObjectsOptions& options, OptionSet& set);

}  // namespace i2crc
