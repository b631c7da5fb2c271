// SPDX-License-Identifier: Apache-2.0
#include "i2crc/network_options/cam_options.h"

namespace i2crc {

void Describe(CamOptions& o, OptionSet& set) {
  set.Add("checkpoint", &o.checkpoint, "Attention network: ours, or one of the authors'")
      .Required()
      .Value("FILE")
      .Group("Data");
  set.Add("images", &o.images, "Folder of photographs").Required().Value("DIR").Group("Data");
  set.Add("list", &o.list, "Lines of an ID and its tags").Required().Value("FILE").Group("Data");
  set.Add("out", &o.out, "Folder for ID_k.png").Required().Value("DIR").Group("Data");
  set.Add("classes", &o.classes, "Class names for a checkpoint that has none")
      .Value("FILE")
      .Group("Data");
  set.Add("scales", &o.scales, "Scales of the input whose scores are averaged")
      .Range(0.05, 16)
      .Group("Input");
  set.Add("flip", &o.flip, "Average with the mirrored image").Group("Input");
  set.Add("input-size", &o.input_size,
          "Side of the square that images are resized to; 0: the checkpoint's")
      .Range(0, 4096)
      .Group("Input");
  set.Add("scores", &o.scores, "Also write ID.safetensors with the score maps").Group("Output");
  Describe(o.items, set);
  Describe(o.compute, set);
}

}  // namespace i2crc
