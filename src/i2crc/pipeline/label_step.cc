// SPDX-License-Identifier: Apache-2.0
#include "i2crc/pipeline/label_step.h"

#include <algorithm>
#include <vector>

#include "i2crc/core/atomic_file.h"
#include "i2crc/data/image_list.h"
#include "i2crc/image/image_file.h"
#include "i2crc/pipeline/image_set.h"
#include "i2crc/pipeline/item_loop.h"

namespace i2crc {
namespace {

// An image whose maps were found and agree in size.
struct LabelItem {
  std::string id;
  std::vector<int> tags;  // those that have a map
  size_t tags_without_map;
  int height;
  int width;
};

SizedFile SaliencyOf(const LabelOptions& options, const LabelItem& item) {
  return {options.saliency / (item.id + ".png"), "saliency map", item.height, item.width};
}

LabelItem CheckItem(const LabelOptions& options, const ListedImage& listed, Context& context) {
  const SizedFile saliency = CheckMap(options.saliency / (listed.id + ".png"), "saliency map");
  LabelItem item{listed.id, CheckAttention(options.cams, listed, saliency), 0, saliency.height,
                 saliency.width};
  item.tags_without_map = listed.tags.size() - item.tags.size();
  for (const int tag : listed.tags)
    if (std::find(item.tags.begin(), item.tags.end(), tag) == item.tags.end())
      context.log().debug("{}: not there, so the tag is passed over",
                          AttentionPath(options.cams, listed.id, tag).string());
  return item;
}

std::vector<LabelItem> CheckItems(const LabelOptions& options, Context& context) {
  std::vector<LabelItem> items;
  size_t tags = 0;
  for (const ListedImage& listed :
       ReadImageList(options.list, ClassNames::ReadOrVoc(options.classes))) {
    context.CheckInterrupted();
    TryItem(context, options.items.policy(), [&] {
      items.push_back(CheckItem(options, listed, context));
      tags += items.back().tags.size();
    });
  }
  if (items.empty()) Fail("{}: no image of the list can be used", options.list.string());
  if (tags == 0)
    context.log().warn("{}: no map of any tag of the list is there; are they called ID_k.png?",
                       options.cams.string());
  return items;
}

ImageU8 MakeLabel(const LabelOptions& options, const LabelItem& item) {
  const ImageU8 saliency = ReadCheckedGrey(SaliencyOf(options, item));
  std::vector<TagAttention> maps;
  maps.reserve(item.tags.size());
  for (const int tag : item.tags)
    maps.push_back({tag, ReadCheckedGrey({AttentionPath(options.cams, item.id, tag),
                                          "attention map", item.height, item.width})});
  return InitialLabel(saliency, maps, options.rules.rules());
}

}  // namespace

LabelRuleOptions LabelThresholds::rules() const {
  return {.object_floor = static_cast<float>(object_floor),
          .attention_certain = static_cast<float>(attention_certain),
          .conflict = static_cast<float>(conflict),
          .doubt = doubt,
          .min_foreground = min_foreground};
}

void Describe(LabelOptions& o, OptionSet& set) {
  set.Add("cams", &o.cams, "Folder of attention maps ID_k.png; a tag without one is passed over")
      .Required()
      .Value("DIR")
      .Group("Data");
  set.Add("saliency", &o.saliency, "Folder of saliency maps ID.png")
      .Required()
      .Value("DIR")
      .Group("Data");
  set.Add("list", &o.list, "Lines of an ID and its tags").Required().Value("FILE").Group("Data");
  set.Add("out", &o.out, "Folder for the masks ID.png").Required().Value("DIR").Group("Data");
  set.Add("classes", &o.classes, "Class names, one a line; default: VOC's")
      .Value("FILE")
      .Group("Data");
  set.Add("object-floor", &o.rules.object_floor,
          "Values of a tag's normalised map, and of 1 - saliency, below it count 0")
      .Range(0, 1)
      .Group("Rules");
  set.Add("attention-certain", &o.rules.attention_certain,
          "A tag's map above it makes the pixel as salient as can be for --doubt; 1: never")
      .Range(0, 1)
      .Group("Rules");
  set.Add("conflict", &o.rules.conflict,
          "A pixel where more than one class, or a class and the background, is above it is "
          "ignored; 1: never")
      .Range(0, 1)
      .Group("Rules");
  set.Add("doubt", &o.rules.doubt,
          "Background whose saliency reaches it is ignored, on a scale of 0 to 255; 256: never")
      .Range(0, 256)
      .Group("Rules");
  set.Add("min-foreground", &o.rules.min_foreground,
          "A mask with a smaller share of foreground is ignored as a whole")
      .Range(0, 1)
      .Group("Rules");
  Describe(o.items, set);
}

LabelResult RunLabel(const LabelOptions& options, Context& context) {
  CheckFolder(options.cams, "--cams");
  CheckFolder(options.saliency, "--saliency");
  CheckOutFolder(options.out, {{"--cams", &options.cams}, {"--saliency", &options.saliency}});
  const std::vector<LabelItem> items = CheckItems(options, context);

  context.WorkBegins();
  MakeFolder(options.out);
  LabelResult result;
  const auto item = [&](int64_t i) -> const LabelItem& { return items[static_cast<size_t>(i)]; };
  ForEachItem<ImageU8>(
      "label", static_cast<int64_t>(items.size()), options.items,
      {.make = [&](int64_t i) { return MakeLabel(options, item(i)); },
       .write =
           [&](int64_t i, const ImageU8& mask) {
             WriteMaskPng(OutputPath(options.out, item(i).id, ".png"), mask, VocPalette());
           },
       .take =
           [&](int64_t i, const ImageU8& mask) {
             result.Add(mask);
             result.tags_without_map += static_cast<int64_t>(item(i).tags_without_map);
           }},
      context);
  return result;
}

}  // namespace i2crc
