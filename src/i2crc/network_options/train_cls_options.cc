// SPDX-License-Identifier: Apache-2.0
#include "i2crc/network_options/train_cls_options.h"

#include "i2crc/data/architectures.h"

namespace i2crc {
namespace {

void Describe(RelationLossWeights& o, OptionSet& set) {
  set.Add("intra-foreground", &o.intra_foreground, "Weight of the class-agnostic loss on objects")
      .Range(0, 1e6)
      .Group("Loss");
  set.Add("intra-background", &o.intra_background,
          "Weight of the class-agnostic loss on background")
      .Range(0, 1e6)
      .Group("Loss");
  set.Add("inter", &o.inter, "Weight of the class-specific loss between object and background")
      .Range(0, 1e6)
      .Group("Loss");
}

}  // namespace

void Describe(TrainClsOptions& o, OptionSet& set) {
  DescribeFolders(o, set);
  set.Add("list", &o.list, "Lines of an ID and its tags").Required().Value("FILE").Group("Data");
  set.Add("saliency", &o.saliency,
          "Folder of saliency maps, ID.png; none: there are none, and no relation losses")
      .Required()
      .Value("DIR")
      .Keyword(kNone)
      .Group("Data");
  set.Add("arch", &o.arch, "The attention network").OneOf(AttentionArchs()).Group("Network");
  DescribeNetwork(o, set);
  set.Add("start", &o.start,
          "A checkpoint of train-tags or train-cls, of this architecture and these classes, to "
          "start from instead of --weights, with its head")
      .Value("FILE")
      .Group("Network");
  set.Add(
         "freeze-bn", &o.freeze_bn,
         "Keep batch norm's statistics and affine parameters; auto: with a ResNet and --weights or "
         "--start")
      .OneOf({"auto", "on", "off"})
      .Group("Network");
  set.Add("input-size", &o.input_size, "Side of the square that images are resized to")
      .Range(16, 4096)
      .Group("Input");
  DescribeJitter(o.jitter, set);
  Describe(o.relation, set);
  set.Add("epochs", &o.epochs, "Times that every image is seen").Range(1, 1e6).Group("Optimiser");
  set.Add("lr", &o.lr, "Learning rate of the backbone's weights").Above(0).Group("Optimiser");
  set.Add("lr-milestones", &o.lr_milestones,
          "Epochs, counted from 0, at whose start the rate falls")
      .MayBeEmpty()
      .Group("Optimiser");
  set.Add("lr-factor", &o.lr_factor, "What the rate is multiplied with there")
      .Above(0)
      .Group("Optimiser");
  set.Add("lr-bias-factor", &o.bias_factor, "Rate of biases over that of weights")
      .Above(0)
      .Group("Optimiser");
  set.Add("lr-head-factor", &o.head_factor, "Rate of the head over that of the backbone")
      .Above(0)
      .Group("Optimiser");
  DescribeOptimiser(o, set);
  Describe(o.items, set);
  Describe(o.compute, set);
}

}  // namespace i2crc
