// SPDX-License-Identifier: Apache-2.0
#include "i2crc/network_options/predict_options.h"

namespace i2crc {

void Describe(PredictOptions& o, OptionSet& set) {
  set.Add("checkpoint", &o.checkpoint, "Segmentation network: ours, or one of the authors'")
      .Required()
      .Value("FILE")
      .Group("Data");
  set.Add("cross", &o.cross,
          "A second network, of train-seg --half second: it predicts the first half of the list, "
          "and --checkpoint, of --half first, the second, so that none judges what it learned from")
      .Value("FILE")
      .Group("Data");
  set.Add("images", &o.images, "Folder of photographs").Required().Value("DIR").Group("Data");
  set.Add("list", &o.list, "Lines of an ID; default: the whole folder").Value("FILE").Group("Data");
  set.Add("out", &o.out, "Folder for ID.png").Required().Value("DIR").Group("Data");
  set.Add("classes", &o.classes, "Class names for a checkpoint that has none")
      .Value("FILE")
      .Group("Data");
  set.Add("scales", &o.scales, "Scales of the photograph whose probabilities are averaged")
      .Range(0.05, 16)
      .Group("Input")
      .AbsentMeans({1});
  set.Add("flip", &o.flip, "Average with the mirrored photograph")
      .Group("Input")
      .AbsentMeans(false);
  set.Add("tags", &o.tags,
          "What is known of a photograph's tags: nothing, those of --list, or what another "
          "network thinks of it")
      .OneOf({"unknown", "listed", "guessed"})
      .Group("Tags")
      .AbsentMeans("unknown");
  set.Add("saliency", &o.saliency, "Folder of saliency maps that have a say, with --tags listed")
      .Value("DIR")
      .Group("Tags");
  set.Add("cams", &o.cams,
          "Folder of attention maps, ID_k.png, that have a say in whose an object is, with --tags "
          "listed")
      .Value("DIR")
      .Group("Tags");
  set.Add(
         "attention", &o.attention,
         "Network that tells the tags, with --tags guessed: of train-tags, or an attention network")
      .Value("FILE")
      .Group("Tags");
  set.Add("network-share", &o.evidence.network_share,
          "The network's share in what is an object; the rest is the saliency's")
      .Range(0, 1)
      .Group("Tags")
      .AbsentMeans(0.5);
  set.Add("network-share-apart", &o.evidence.network_share_apart,
          "The same where network and saliency have no object in common, between by their IoU; -1: "
          "the same share everywhere")
      .Range(-1, 1)
      .Group("Tags")
      .AbsentMeans(-1);
  set.Add("tag-balance", &o.evidence.balance,
          "How much harder a tag is looked for that the network hardly sees, with --tags listed: 0 "
          "not at all, 1 until all tags claim alike")
      .Range(0, 1)
      .Group("Tags")
      .AbsentMeans(0.5);
  set.Add("objects-first", &o.objects_first,
          "Decide first where an object is, of whatever class, then whose, so that background does "
          "not win where classes share a pixel")
      .Group("Output")
      .AbsentMeans(false);
  set.Add("min-certain", &o.min_certain, "A pixel whose label is less probable is ignored (255)")
      .Range(0, 1)
      .Group("Output")
      .AbsentMeans(0);
  set.Add("probabilities", &o.probabilities,
          "Also write ID.safetensors with every label's probability, or with --crf its marginal")
      .Group("Output");
  set.Add("objects", &o.objects,
          "Also write ID_object.png, 255 where the network alone is sure of an object of any class")
      .Group("Output")
      .AbsentMeans(false);
  set.Add("owners", &o.owners,
          "Also write ID_owner.png, with --tags listed: how sure it is that an object is the tag "
          "that the mask names, 255 where nothing else can be (train-seg --owners)")
      .Group("Output")
      .AbsentMeans(false);
  set.Add("overlay", &o.overlay, "Also write ID_overlay.jpg, the mask over the photograph")
      .Group("Output");
  set.Add("crf", &o.use_crf, "Refine the probabilities on the photograph by the dense CRF")
      .Group("CRF");
  Describe(o.crf, set);
  Describe(o.items, set);
  Describe(o.compute, set);
}

}  // namespace i2crc
