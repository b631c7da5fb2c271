// SPDX-License-Identifier: Apache-2.0
#include "i2crc/network_options/demo_options.h"

namespace i2crc {

void Describe(DemoOptions& o, OptionSet& set) {
  set.Add("out", &o.out, "Folder for scenes, run and summary").Value("DIR").Group("Data");
  set.Add("images", &o.images, "Scenes, three quarters of them to train on")
      .Range(16, 100000)
      .Group("Data");
  set.Add("size", &o.size, "Pixels along a scene's side").Range(32, 1024).Group("Data");
  set.Add("scene-seed", &o.scene_seed, "Decides the scenes").Group("Data");
  set.Add("attention-only", &o.attention_only, "Stages 1 to 3 and their baseline only")
      .Group("Stages");
  set.Add("seed", &o.seed, "Of every stage that draws").Group("General");
  Describe(o.items, set);
  Describe(o.compute, set);
}

}  // namespace i2crc
