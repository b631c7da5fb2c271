// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>

#include "i2crc/inputs/common_options.h"
#include "i2crc/options/option_set.h"

namespace i2crc {

// Saliency maps by a detector given as ONNX, which the stages of ALGORITHM.md take as input.
struct SaliencyOptions {
  std::filesystem::path model, images, list, out;
  std::string preset = "u2net";
  int input_size = 0;  // side of the detector's square input; 0: the model's, or the preset's
  int loader_threads = 2;
  ItemOptions items;
};
void Describe(SaliencyOptions& options, OptionSet& set);

}  // namespace i2crc
