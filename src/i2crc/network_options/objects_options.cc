// SPDX-License-Identifier: Apache-2.0
#include "i2crc/network_options/objects_options.h"

namespace i2crc {

void Describe(ObjectsOptions& o, OptionSet& set) {
  set.Add("checkpoint", &o.checkpoint,
          "A ResNet for attention whose features tell objects from background: train-tags'")
      .Required()
      .Value("FILE")
      .Group("Data");
  set.Add("cams", &o.cams, "Folder of attention maps ID_k.png, to begin with")
      .Required()
      .Value("DIR")
      .Group("Data");
  set.Add("images", &o.images, "Folder of photographs").Required().Value("DIR").Group("Data");
  set.Add("saliency", &o.saliency,
          "Folder of a detector's maps ID.png; OUT has what they and the grown maps say together")
      .Value("DIR")
      .Group("Data");
  set.Add("list", &o.list, "Lines of an ID and its tags").Required().Value("FILE").Group("Data");
  set.Add("out", &o.out, "Folder for ID.png").Required().Value("DIR").Group("Data");
  set.Add("classes", &o.classes, "Class names for a checkpoint that has none")
      .Value("FILE")
      .Group("Data");
  set.Add("input-size", &o.input_size,
          "Side of the square that images are resized to; 0: one and a half times the checkpoint's")
      .Range(0, 4096)
      .Group("Input");
  set.Add("share", &o.share,
          "Of the tagged photographs' pixels, how many are an object's; 0: as many as can be told "
          "best whose they are")
      .Range(0, 0.95)
      .Group("Input");
  Describe(o.items, set);
  Describe(o.compute, set);
}

}  // namespace i2crc
