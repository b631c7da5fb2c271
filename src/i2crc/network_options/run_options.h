// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "i2crc/inputs/common_options.h"
#include "i2crc/options/option_set.h"

namespace i2crc {

// Of a run: the arithmetic that the recipe says.
inline constexpr const char* kAutoPrecision = "auto";

// All stages into one run directory.
struct RunOptions {
  // paper: the method as ALGORITHM.md has it. practical: docs/method.md. auto: what the run
  // directory was made by, and practical where there is none.
  std::string recipe = "auto";
  std::filesystem::path out, images, saliency, train, val, truth, classes;
  // ImageNet weights for every network that no section gives others; recipe practical takes the
  // architectures from them.
  std::filesystem::path weights;
  uint64_t seed = 1;
  bool use_crf = true;  // over the predictions of both networks
  std::string from, to;
  bool dry_run = false;
  double minutes = 0;  // that recipe practical should take, 0: as long as it takes
  bool clean = false;
  ItemOptions items;
  ComputeOptions compute = {.precision = kAutoPrecision};
};
void Describe(RunOptions& options, OptionSet& set);

}  // namespace i2crc
