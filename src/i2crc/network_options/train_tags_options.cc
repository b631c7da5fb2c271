// SPDX-License-Identifier: Apache-2.0
#include "i2crc/network_options/train_tags_options.h"

namespace i2crc {

void Describe(TrainTagsOptions& o, OptionSet& set) {
  DescribeFolders(o, set);
  set.Add("list", &o.list, "Lines of an ID and its tags").Required().Value("FILE").Group("Data");
  set.Add("arch", &o.arch, "The network, of which the head is learned")
      .OneOf({"resnet18-stride32", "resnet50-stride32", "resnet101-stride32"})
      .Group("Network");
  DescribeNetwork(o, set);
  set.Add("input-size", &o.input_size, "Side of the square that images are resized to")
      .Range(32, 4096)
      .Group("Input");
  set.Add("try-input-size", &o.try_input_size,
          "Another side that is tried: taken where it tells unseen images clearly better; 0: none")
      .Range(0, 4096)
      .Group("Input")
      .AbsentMeans(0);
  set.Add("seed", &o.seed, "Of a backbone from scratch").Group("General");
  Describe(o.items, set);
  Describe(o.compute, set);
}

}  // namespace i2crc
