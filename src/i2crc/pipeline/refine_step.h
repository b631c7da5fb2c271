// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>

#include "i2crc/core/context.h"
#include "i2crc/options/option_set.h"
#include "i2crc/pipeline/common_options.h"

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

struct RefineResult {
  int64_t images = 0;          // masks written
  int64_t wholly_ignored = 0;  // of these: nothing but 255
  uint64_t pixels = 0;
  uint64_t ignored_pixels = 0;

  // Of all pixels, 0…1; 0 where there are none.
  double ignored_share() const;
};

// Writes OUT/ID.png for every image of the list, from PREDICTIONS/ID.png and LABELS/ID.png. Before
// the first mask is written list, folders, and the headers and sizes of all masks are checked.
// Files, messages and their order do not depend on the number of threads.
RefineResult RunRefine(const RefineOptions& options, Context& context);

}  // namespace i2crc
