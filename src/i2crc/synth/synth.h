// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "i2crc/core/work.h"
#include "i2crc/options/option_set.h"

namespace i2crc {

// A drawn dataset with the disease that the method cures: a classifier can live off the animals'
// heads, the small part that alone tells the class, while masks hold the whole animals.
struct SynthOptions {
  std::filesystem::path out;
  int images = 400;
  int size = 160;  // pixels along a side
  uint64_t seed = 1;
  double val_share = 0.25;      // of the scenes go to val.txt, the rest to train.txt
  double ground_bias = 0.6;     // how often a scene lies on the home ground of its leading class
  double saliency_miss = 0.05;  // how often the saliency detector misses an object
};

void Describe(SynthOptions& options, OptionSet& set);

struct SynthResult {
  int64_t train = 0;                  // scenes in train.txt
  int64_t val = 0;                    // in val.txt
  int64_t one_tag = 0;                // scenes of both with exactly one tag
  std::vector<int64_t> class_scenes;  // scenes of both that show class k
  double object_share = 0;            // of all pixels
};

// The work draws the scenes on `threads` ≥ 1 threads and writes
//   OUT/JPEGImages/ID.jpg  OUT/SegmentationClass/ID.png  OUT/Saliency/ID.png     for scene_00000 …
//   OUT/train.txt  OUT/val.txt (`ID class…`, class indices from 0)  OUT/classes.txt (names).
// The bytes depend on the options alone. The lists are written last. Throws Error for an option out
// of range, and where OUT holds images, masks or maps that are not this dataset's, before anything
// is written.
Work<SynthResult> PrepareSynth(const SynthOptions& options, int threads);

}  // namespace i2crc
