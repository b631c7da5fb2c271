// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "i2crc/core/context.h"
#include "i2crc/core/work.h"
#include "i2crc/inputs/common_options.h"
#include "i2crc/network_options/saliency_options.h"
#include "i2crc/options/option_set.h"

namespace i2crc {

// Throws Error where the model is no saliency detector.
void CheckDetector(const SaliencyOptions& options);

struct SaliencyResult {
  int64_t images = 0;
  int64_t blank = 0;  // maps without a salient pixel
};

// Writes OUT/ID.png, 8-bit grey in the photograph's size, for every image of the list, or of the
// folder where there is no list.
Work<SaliencyResult> PrepareSaliency(const SaliencyOptions& options, Context& context);

}  // namespace i2crc
