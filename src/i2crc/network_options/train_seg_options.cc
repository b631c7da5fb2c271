// SPDX-License-Identifier: Apache-2.0
#include "i2crc/network_options/train_seg_options.h"

#include "i2crc/data/architectures.h"

namespace i2crc {

void Describe(TrainSegOptions& o, OptionSet& set) {
  DescribeFolders(o, set);
  set.Add("list", &o.list,
          "Lines of an ID; tags are passed over, but with --partial-labels and --half")
      .Required()
      .Value("FILE")
      .Group("Data");
  set.Add("half", &o.half,
          "Learn from half of the list only, so that the other can be predicted unseen (predict "
          "--cross)")
      .OneOf({"both", "first", "second"})
      .Group("Data")
      .AbsentMeans("both");
  set.Add("labels", &o.labels, "Folder of masks, ID.png").Required().Value("DIR").Group("Data");
  set.Add("partial-labels", &o.partial_labels,
          "Masks may say 254 for one of the image's tags, and 255 is one of them or background")
      .Group("Data")
      .AbsentMeans(false);
  set.Add("owners", &o.owners,
          "Folder of ID_owner.png, by predict --owners: how sure it is which tag an object is")
      .Value("DIR")
      .Group("Data");
  set.Add("min-owner", &o.min_owner,
          "With --partial-labels and --owners: an object whose tag is less sure than this is one "
          "of the image's tags, whichever the mask names")
      .Range(0, 1)
      .Group("Data")
      .AbsentMeans(0);
  set.Add("min-alone", &o.min_alone,
          "… but only in images each of whose tags stands alone in at least so many of the list")
      .Range(0, 1e9)
      .Group("Data")
      .AbsentMeans(0);
  set.Add("arch", &o.arch, "The segmentation network").OneOf(SegmentationArchs()).Group("Network");
  set.Add("msc", &o.msc, "Multi-scale wrapper: scales 1, 0.5, 0.75 and their maximum")
      .Group("Network");
  DescribeNetwork(o, set);
  set.Add("start", &o.start,
          "A checkpoint to start from instead of --weights: all of a segmentation network of this "
          "architecture, or the backbone of an attention network")
      .Value("FILE")
      .Group("Network");
  set.Add("freeze-bn", &o.freeze_bn, "Keep batch norm's statistics and affine parameters")
      .Group("Network");
  set.Add("freeze-stages", &o.freeze_stages,
          "Stages of the backbone, the stem first, that keep their parameters")
      .Range(0, 5)
      .Group("Network")
      .AbsentMeans(0);
  set.Add("crop", &o.crop.crop, "Side of the random square crop").Range(16, 4096).Group("Input");
  set.Add("crop-scales", &o.crop.scales, "Scales of the photograph, drawn evenly")
      .Range(0.05, 16)
      .Group("Input");
  set.Add("flip", &o.crop.flip, "Mirror half of the images, by chance").Group("Input");
  const size_t first_of_jitter = set.options().size();
  DescribeJitter(o.jitter, set);
  for (size_t i = first_of_jitter; i < set.options().size(); ++i) set.options()[i].AbsentMeans(0);
  set.Add("iterations", &o.iterations, "Optimiser steps").Range(1, 1e8).Group("Optimiser");
  set.Add("accumulate", &o.accumulate, "Batches a step").Range(1, 4096).Group("Optimiser");
  set.Add("lr", &o.lr, "Learning rate of the backbone").Above(0).Group("Optimiser");
  set.Add("lr-head-factor", &o.head_factor, "Rate of the head over that of the backbone")
      .Above(0)
      .Group("Optimiser")
      .AbsentMeans(1);
  set.Add("warm-up", &o.warm_up, "Iterations over which the rate rises from 0 at the start")
      .Range(0, 1e8)
      .Group("Optimiser")
      .AbsentMeans(0);
  set.Add("average", &o.average,
          "Decay of the average of the weights that becomes the network; 0: the last weights do")
      .Range(0, 0.99999)
      .Group("Optimiser")
      .AbsentMeans(0);
  set.Add("polynomial-end", &o.polynomial_end, "Iteration at which the rate reaches 0; 0: the last")
      .Range(0, 1e8)
      .Group("Optimiser");
  set.Add("polynomial-power", &o.polynomial_power, "Exponent of the falling rate")
      .Range(0, 100)
      .Group("Optimiser");
  set.Add("polynomial-every", &o.polynomial_every, "Iterations between changes of the rate")
      .Range(1, 1e8)
      .Group("Optimiser");
  DescribeOptimiser(o, set);
  Describe(o.items, set);
  Describe(o.compute, set);
}

}  // namespace i2crc
