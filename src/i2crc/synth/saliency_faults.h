// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "i2crc/core/image.h"
#include "i2crc/core/random.h"
#include "i2crc/synth/textures.h"

namespace i2crc::synth {

// A saliency map as a real detector gives it, made from the truth: computed on a coarse grid, so
// soft at the borders; bordered a little too wide or too narrow; weaker inside some objects; with
// holes; with an object missed (each with probability `miss`) and a false blob now and then, often
// on one of the lures (scene units).
//
// objects: what is visible of each, one channel, 0…1, all of one square size.
ImageU8 DegradeSaliency(const std::vector<ImageF32>& objects, const std::vector<Point>& lures,
                        double miss, Random random);

}  // namespace i2crc::synth
