// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>

#include "i2crc/inputs/common_options.h"
#include "i2crc/options/option_set.h"

namespace i2crc {

// The whole method on synthetic scenes, with small networks from scratch, and what it is compared
// with.
struct DemoOptions {
  std::filesystem::path out = "i2crc-demo";
  int images = 400;
  int size = 160;
  uint64_t scene_seed = 1;
  uint64_t seed = 1;
  bool attention_only = false;  // stages 1 to 3 and their baseline: the gain of the relation losses
  ItemOptions items;
  ComputeOptions compute;
};
void Describe(DemoOptions& options, OptionSet& set);

}  // namespace i2crc
