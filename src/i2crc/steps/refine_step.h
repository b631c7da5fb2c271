// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>

#include "i2crc/core/context.h"
#include "i2crc/core/work.h"
#include "i2crc/inputs/common_options.h"
#include "i2crc/inputs/mask_set.h"
#include "i2crc/options/option_set.h"

namespace i2crc {

// Stage 5 of ALGORITHM.md: predictions of the training images, made better by tags and initial
// labels.
struct RefineOptions {
  std::filesystem::path predictions, labels, list, out;
  std::filesystem::path classes;  // empty: VOC's
  double min_foreground = 0.01;   // share of the pixels below which the whole mask is ignored
  ItemOptions items;
};
void Describe(RefineOptions& options, OptionSet& set);

using RefineResult = MaskCounts;

// Writes OUT/ID.png for every image of the list, from PREDICTIONS/ID.png and LABELS/ID.png. Before
// the first mask is written list, folders, and the headers and sizes of all masks are checked.
// Files, messages and their order do not depend on the number of threads.
Work<RefineResult> PrepareRefine(const RefineOptions& options, Context& context);

}  // namespace i2crc
