// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <vector>

#include "i2crc/core/context.h"
#include "i2crc/core/work.h"
#include "i2crc/inputs/common_options.h"
#include "i2crc/network_options/cam_options.h"
#include "i2crc/options/option_set.h"

namespace i2crc {

struct CamResult {
  int64_t images = 0;
  int64_t maps = 0;
};

// Writes OUT/ID_k.png for every tag k of every image and, with scores, OUT/ID.safetensors: the
// averaged score map of each tag under the tag's index, f32 [h, w].
Work<CamResult> PrepareCam(const CamOptions& options, Context& context);

}  // namespace i2crc
