// SPDX-License-Identifier: Apache-2.0
#include "i2crc/network_options/saliency_options.h"

#include "i2crc/data/detector_presets.h"

namespace i2crc {

void Describe(SaliencyOptions& o, OptionSet& set) {
  std::vector<std::string> presets;
  for (const DetectorPreset& preset : DetectorPresets()) presets.emplace_back(preset.name);
  set.Add("model", &o.model, "Salient object detector as ONNX")
      .Required()
      .Value("FILE")
      .Group("Data");
  set.Add("images", &o.images, "Folder of photographs").Required().Value("DIR").Group("Data");
  set.Add("list", &o.list, "Lines of an ID; default: the whole folder").Value("FILE").Group("Data");
  set.Add("out", &o.out, "Folder for ID.png").Required().Value("DIR").Group("Data");
  set.Add("preset", &o.preset,
          "How photographs are normalised: u2net divides by their own largest value, plain by 255")
      .OneOf(presets)
      .Group("Input");
  set.Add("input-size", &o.input_size,
          "Side of the square that photographs are resized to; 0: the model's, 320 where u2net "
          "leaves it open")
      .Range(0, 4096)
      .Group("Input");
  Describe(o.items, set);
  set.Add("loader-threads", &o.loader_threads,
          "Threads that decode and resize images ahead; the result does not depend on them")
      .Range(0, 256)
      .Group("General")
      .KeepsResult();
}

}  // namespace i2crc
