// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>

#include "i2crc/data/augment.h"
#include "i2crc/inputs/common_options.h"
#include "i2crc/options/option_set.h"

namespace i2crc {

// Stage 4 of ALGORITHM.md: the segmentation network on masks with ignored pixels.
struct TrainSegOptions : TrainingOptions {
  std::filesystem::path labels;
  // A checkpoint to start from instead of ImageNet weights: a segmentation network's whole, an
  // attention network's backbone.
  std::filesystem::path start;
  // Which half of the list to learn from: both, first, second (data/image_list.h, HalfOf).
  std::string half = "both";
  std::string arch = "deeplab-resnet101";
  bool msc = true;
  // Masks say 254 for "one of the tags", and 255 means one of them or background; the list's tags
  // are then read.
  bool partial_labels = false;
  // With partial labels: an object whose tag is less sure than min_owner (0…1) by ID_owner.png
  // there (predict --owners) counts as "one of the tags" too.
  std::filesystem::path owners;
  double min_owner = 0;
  int min_alone = 0;  // only of images whose tags stand alone in at least so many
  bool freeze_bn = false;
  int freeze_stages = 0;  // of the backbone, from its stem on
  int iterations = 20000;
  int polynomial_end = 0;  // 0: iterations
  double polynomial_power = 0.9;
  int polynomial_every = 10;
  int accumulate = 2;
  CropOptions crop;
  JitterOptions jitter = {0, 0, 0, 0};
  double lr = 2.5e-4;
  double head_factor = 1;
  int warm_up = 0;     // iterations
  double average = 0;  // decay of the average of the weights; 0: none
};
void Describe(TrainSegOptions& options, OptionSet& set);

}  // namespace i2crc
