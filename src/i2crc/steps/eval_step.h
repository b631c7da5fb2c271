// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>

#include "i2crc/core/context.h"
#include "i2crc/core/work.h"
#include "i2crc/inputs/common_options.h"
#include "i2crc/metrics/score_report.h"
#include "i2crc/options/option_set.h"

namespace i2crc {

// Evaluation of stage 6 of ALGORITHM.md: masks or attention maps against true masks.
struct EvalOptions {
  std::filesystem::path predictions, cams;  // one of the two
  std::filesystem::path truth, list;
  std::filesystem::path classes;  // empty: VOC's
  std::filesystem::path json;     // empty: none is written
  double min_miou = 0;            // in percent, 0…100
  ItemOptions items;
};
void Describe(EvalOptions& options, OptionSet& set);

struct EvalResult {
  ScoreReport report;
  bool below_min_miou = false;  // the report's mIoU is below EvalOptions::min_miou
};

// Scores PREDICTIONS/ID.png, or the maps CAMS/ID_k.png of each tag k at every threshold, against
// TRUTH/ID.png for every image of the list. A missing prediction is an Error (or left out under
// skip), a tag without a map counts as 0 everywhere. Writes nothing but the JSON file, where one is
// asked for. The result does not depend on the number of threads.
Work<EvalResult> PrepareEval(const EvalOptions& options, Context& context);

}  // namespace i2crc
