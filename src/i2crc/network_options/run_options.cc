// SPDX-License-Identifier: Apache-2.0
#include "i2crc/network_options/run_options.h"

namespace i2crc {

void Describe(RunOptions& o, OptionSet& set) {
  set.Add(
         "recipe", &o.recipe,
         "The values of all stages that no section gives: practical or the paper's; auto: what OUT "
         "was made by, else practical")
      .OneOf({"auto", "practical", "paper"})
      .Group("Stages");
  set.Add("out", &o.out, "The run directory").Required().Value("DIR").Group("Data");
  set.Add("images", &o.images, "Folder of photographs").Required().Value("DIR").Group("Data");
  set.Add("saliency", &o.saliency,
          "Folder of saliency maps; or [saliency] model makes them; none: do without")
      .Value("DIR")
      .Keyword(kNone)
      .Group("Data");
  set.Add("train", &o.train, "Lines of an ID and its tags, to train on")
      .Required()
      .Value("FILE")
      .Group("Data");
  set.Add("val", &o.val, "Lines of an ID, to predict at the end").Value("FILE").Group("Data");
  set.Add("truth", &o.truth, "Folder of true masks, for scoring only").Value("DIR").Group("Data");
  set.Add("classes", &o.classes, "Class names, one a line; default: VOC's twenty")
      .Value("FILE")
      .Group("Data");
  set.Add("weights", &o.weights,
          "ImageNet weights, .pth or .safetensors, of every network whose section names no others")
      .Value("FILE")
      .Group("Data");
  set.Add("crf", &o.use_crf, "The dense CRF over the predictions of both networks; [crf] sets it")
      .Group("Stages");
  set.Add("from", &o.from, "First stage to look at; those before it must be done")
      .Value("STAGE")
      .Group("Stages");
  set.Add("to", &o.to, "Last stage to do").Value("STAGE").Group("Stages");
  set.Add("dry-run", &o.dry_run, "Print what would be done, why, and what it takes, and do nothing")
      .Group("Stages");
  set.Add("minutes", &o.minutes,
          "Train less where recipe practical would take longer than this, by a short measurement "
          "before; 0: as long as it takes")
      .Range(0, 1e6)
      .Group("Stages");
  set.Add("clean", &o.clean,
          "At the end remove what the results do not need: maps, labels, the first round, training "
          "states")
      .Group("Stages");
  set.Add("seed", &o.seed, "Of every stage that draws").Group("General");
  Describe(o.items, set);
  Describe(o.compute, set);
  set.Find("precision")->OneOf({kAutoPrecision, "fp32", "bf16"});
}

}  // namespace i2crc
