// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>

#include "i2crc/core/context.h"
#include "i2crc/core/work.h"
#include "i2crc/inputs/common_options.h"
#include "i2crc/network_options/objects_options.h"
#include "i2crc/options/option_set.h"

namespace i2crc {

struct ObjectsResult {
  int64_t images = 0;
  double share = 0;
};

// Writes OUT/ID.png for every image of the list, in the photograph's size: 0 background, 128 where
// objects begin, 255 objects; with a detector's maps what both say together
// (labels/object_maps.h), unless they are of other things by the share that they call objects,
// which is warned of. Photographs without tags have none. Beside them OUT/report.json: the share
// that was taken, and for those that were tried what the features explain of such objects.
Work<ObjectsResult> PrepareObjects(const ObjectsOptions& options, Context& context);

}  // namespace i2crc
