// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "i2crc/core/context.h"
#include "i2crc/core/work.h"
#include "i2crc/inputs/common_options.h"
#include "i2crc/labels/evidence.h"
#include "i2crc/network_options/predict_options.h"
#include "i2crc/options/option_set.h"
#include "i2crc/steps/crf_options.h"

namespace i2crc {

struct PredictResult {
  int64_t images = 0;
};

// Writes OUT/ID.png for every image of the list, or of the folder where there is no list. The CRF
// works on threads of its own beside the network; files do not depend on the number of threads.
Work<PredictResult> PreparePredict(const PredictOptions& options, Context& context);

}  // namespace i2crc
