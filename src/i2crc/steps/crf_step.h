// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>

#include "i2crc/core/context.h"
#include "i2crc/core/work.h"
#include "i2crc/data/image_list.h"
#include "i2crc/inputs/common_options.h"
#include "i2crc/options/option_set.h"
#include "i2crc/steps/crf_options.h"

namespace i2crc {

// The dense CRF on stored probabilities, or on masks turned into unaries.
struct CrfStepOptions {
  std::filesystem::path images, list, out;
  std::filesystem::path probabilities;  // ID.safetensors: `probability`, f32 or f16 [L, H, W]
  std::filesystem::path labels;         // instead: masks ID.png, 255 where they are unsure
  std::filesystem::path classes;        // empty: VOC's
  int label_count = 0;                  // of the masks; 0: the classes and background
  double certainty = 0.7;               // that a mask's label is right
  bool marginals = false;               // also ID.safetensors: `probability`, f16 [L, H, W]
  CrfOptions crf;
  ItemOptions items;
};
void Describe(CrfStepOptions& options, OptionSet& set);

struct CrfResult {
  int64_t images = 0;
};

// Writes OUT/ID.png for every image of the list: indices 0 … L − 1, with VOC's palette, or as
// 16-bit grey where L > 256. Before the first is written list, folders, and the headers and sizes
// of all files are checked. Files, messages and their order do not depend on the number of threads.
Work<CrfResult> PrepareCrf(const CrfStepOptions& options, Context& context);

// Throws Error where no image of the list has a tag, without which the option (CrfLabels::kTags)
// would make all of every image background.
void CheckTagsAreThere(const std::vector<ListedImage>& images, const std::filesystem::path& list,
                       const char* option = "--crf-labels tags");

}  // namespace i2crc
