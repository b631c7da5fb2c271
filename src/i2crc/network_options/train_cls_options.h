// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "i2crc/data/augment.h"
#include "i2crc/inputs/common_options.h"
#include "i2crc/losses/relation_losses.h"
#include "i2crc/options/option_set.h"

namespace i2crc {

// Stage 1 of ALGORITHM.md: the attention network with its relation losses.
struct TrainClsOptions : TrainingOptions {
  std::filesystem::path saliency;
  // A checkpoint of an attention network, such as train-tags makes, to start from with its head
  // instead of `weights` and a new head.
  std::filesystem::path start;
  std::string arch = "vgg16";
  int epochs = 30;
  int input_size = 256;
  double lr = 1e-3;
  std::vector<double> lr_milestones = {5, 10};  // epochs counted from 0
  double lr_factor = 0.1;
  double bias_factor = 2;
  double head_factor = 10;
  RelationLossWeights relation;
  JitterOptions jitter;
  std::string freeze_bn = "auto";  // auto: with a ResNet and --weights
};
void Describe(TrainClsOptions& options, OptionSet& set);

}  // namespace i2crc
