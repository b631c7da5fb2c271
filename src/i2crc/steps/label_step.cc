// SPDX-License-Identifier: Apache-2.0
#include "i2crc/steps/label_step.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include "i2crc/data/image_list.h"
#include "i2crc/image/image_file.h"
#include "i2crc/inputs/check_each.h"
#include "i2crc/inputs/image_set.h"
#include "i2crc/inputs/item_loop.h"
#include "i2crc/inputs/suspicions.h"
#include "i2crc/labels/evidence.h"
#include "i2crc/labels/object_maps.h"
#include "i2crc/steps/crf_inference.h"

namespace i2crc {
namespace {

// An image whose maps were found and agree in size.
struct LabelItem {
  std::string id;
  std::vector<int> tags;      // those that have a map
  std::vector<int> all_tags;  // with or without
  size_t tags_without_map = 0;
  std::filesystem::path photograph;  // where it is needed
  int height = 0;
  int width = 0;
};

SizedFile SaliencyOf(const LabelOptions& options, const LabelItem& item) {
  return {options.saliency / (item.id + ".png"), "saliency map", item.height, item.width};
}

// What decides the mask's size: the saliency map, else the photograph.
SizedFile ReferenceOf(const LabelOptions& options, const LabelItem& item) {
  if (!IsNone(options.saliency))
    return CheckMap(options.saliency / (item.id + ".png"), "saliency map");
  const ImageHeader header = ReadImageHeader(item.photograph);
  return {item.photograph, "photograph", header.height, header.width};
}

LabelItem CheckItem(const LabelOptions& options, const ListedImage& listed, Context& context) {
  LabelItem item;
  item.id = listed.id;
  if (IsNone(options.saliency)) item.photograph = FindPhotograph(options.images, listed.id);
  const SizedFile reference = ReferenceOf(options, item);
  item.height = reference.height;
  item.width = reference.width;
  item.tags = CheckAttention(options.cams, listed, reference);
  item.all_tags = listed.tags;
  item.tags_without_map = listed.tags.size() - item.tags.size();
  for (const int tag : listed.tags)
    if (std::find(item.tags.begin(), item.tags.end(), tag) == item.tags.end())
      context.log().debug("{}: not there, so the tag is passed over",
                          AttentionPath(options.cams, listed.id, tag).string());
  return item;
}

std::vector<LabelItem> CheckItems(const LabelOptions& options, Context& context) {
  std::vector<LabelItem> items = CheckEach<LabelItem>(
      ReadImageList(options.list, ClassNames::ReadOrVoc(options.classes)), options.list,
      options.items.policy(), context,
      [&](const ListedImage& listed) { return CheckItem(options, listed, context); });
  if (std::all_of(items.begin(), items.end(),
                  [](const LabelItem& item) { return item.tags.empty(); }))
    context.log().warn("{}: no map of any tag of the list is there; are they called ID_k.png?",
                       options.cams.string());
  return items;
}

struct MadeLabel {
  ImageU8 mask;
  double salient = 0;  // share of the object map
};

// Makes the masks of one run, on several threads at once.
class LabelMaker {
 public:
  LabelMaker(const LabelOptions& options, Suspicions& suspicions, Context& context)
      : options_(options), suspicions_(suspicions) {
    if (IsNone(options.saliency))
      runner_.emplace(Resolve(options.crf), /*threads_an_image=*/1, context);
  }

  MadeLabel Make(const LabelItem& item) {
    const std::vector<TagAttention> maps =
        ReadAttention(options_.cams, item.id, item.tags, item.height, item.width);
    suspicions_.AddAttention(options_.cams, item.id, maps);
    const ImageU8 object_map =
        runner_ ? AttendedObject(item, maps) : ReadCheckedGrey(SaliencyOf(options_, item));
    if (!runner_)
      suspicions_.AddSaliency(options_.saliency, item.id, object_map, !item.all_tags.empty());
    const double salient = SalientShare(object_map);
    if (options_.rule == "paper")
      return {InitialLabel(object_map, maps, options_.rules.rules()), salient};
    const bool may_be_open =
        options_.partial_labels && std::includes(met_alone_.begin(), met_alone_.end(),
                                                 item.all_tags.begin(), item.all_tags.end());
    return {ObjectLabel(object_map, maps, item.all_tags,
                        may_be_open ? Contested::kAnyTag : Contested::kStrongest,
                        options_.thresholds.rules()),
            salient};
  }

  // All images of the list, before the first is made.
  void SetImages(const std::vector<LabelItem>& items) {
    std::vector<std::vector<int>> tags;
    for (const LabelItem& item : items) tags.push_back(item.all_tags);
    met_alone_ = TagsMetAlone(tags, options_.min_alone);
  }

 private:
  // What the tags' attention says of objects, fitted to the photograph, as a saliency map would.
  ImageU8 AttendedObject(const LabelItem& item, std::span<const TagAttention> maps) {
    ImageU8 object_map(item.height, item.width, 1, 0);
    if (item.tags.empty()) return object_map;
    const std::vector<float> probabilities = ProbabilitiesOfTags(
        {.attention = maps, .height = item.height, .width = item.width}, item.tags);
    const CrfUnary unary{CrfUnary::Kind::kProbability, probabilities,
                         static_cast<int>(item.tags.size()) + 1};
    const CrfOutput output = runner_->Run(unary, ReadPhotograph(item.photograph), {},
                                          /*want_marginals=*/true, item.photograph.string());
    for (size_t p = 0; p < object_map.pixels(); ++p)
      object_map.data()[p] =
          static_cast<uint8_t>(std::lround(255 * std::clamp(1 - output.marginals[p], 0.0F, 1.0F)));
    return object_map;
  }

  const LabelOptions& options_;
  std::set<int> met_alone_;
  Suspicions& suspicions_;
  std::optional<CrfRunner> runner_;
};

}  // namespace

ObjectLabelOptions ObjectThresholds::rules() const {
  const auto level = [](double share) { return static_cast<int>(std::lround(255 * share)); };
  return {.object = level(object),
          .background = level(background),
          .missed = level(missed),
          .owner = level(owner),
          .rival = level(rival)};
}

LabelRuleOptions LabelThresholds::rules() const {
  return {.object_floor = static_cast<float>(object_floor),
          .attention_certain = static_cast<float>(attention_certain),
          .conflict = static_cast<float>(conflict),
          .doubt = doubt,
          .min_foreground = min_foreground};
}

namespace {

// Records made before these were there followed the paper's rules, which none of them touches.
void DescribeObjectRule(LabelOptions& o, OptionSet& set) {
  const bool has_no_effect = o.rule == "paper";
  const size_t first = set.options().size();
  const auto threshold = [&](const char* name, double* value, const std::string& help) {
    set.Add(name, value, help).Range(0, 1).Group("Object rule");
  };
  threshold("object", &o.thresholds.object, "Saliency from which a pixel is a tag's");
  threshold("background", &o.thresholds.background, "Saliency up to which it is background");
  threshold("missed", &o.thresholds.missed, "Attention above which that is doubtful, and ignored");
  threshold("owner", &o.thresholds.owner,
            "Of several tags one is certain where its attention is above this");
  threshold("rival", &o.thresholds.rival, "and that of all others below this");
  set.Add("partial-labels", &o.partial_labels,
          "Where it is not certain which tag it is, the mask says 254 instead of the strongest one")
      .Group("Object rule");
  set.Add("min-alone", &o.min_alone,
          "… but only in images each of whose tags stands alone in at least so many of the list")
      .Range(0, 1e9)
      .Group("Object rule");
  Describe(o.crf, set);
  for (size_t i = first; i < set.options().size() && has_no_effect; ++i)
    set.options()[i].AbsentMeans(set.options()[i].ToJson());
}

}  // namespace

void Describe(LabelOptions& o, OptionSet& set) {
  set.Add("cams", &o.cams, "Folder of attention maps ID_k.png; a tag without one is passed over")
      .Required()
      .Value("DIR")
      .Group("Data");
  set.Add("saliency", &o.saliency, "Folder of saliency maps ID.png; none: there are none")
      .Required()
      .Value("DIR")
      .Keyword(kNone)
      .Group("Data");
  set.Add("images", &o.images, "Folder of photographs, looked at where there is no saliency")
      .Value("DIR")
      .Group("Data");
  set.Add("list", &o.list, "Lines of an ID and its tags").Required().Value("FILE").Group("Data");
  set.Add("out", &o.out, "Folder for the masks ID.png").Required().Value("DIR").Group("Data");
  set.Add("classes", &o.classes, "Class names, one a line; default: VOC's")
      .Value("FILE")
      .Group("Data");
  set.Add("rule", &o.rule,
          "The paper's rules, or: what stands out is what the photograph is tagged with")
      .OneOf({"paper", "object"})
      .Group("Rules")
      .AbsentMeans("paper");
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
  DescribeObjectRule(o, set);
  Describe(o.items, set);
}

namespace {

void CheckRule(const LabelOptions& options, Context& context) {
  const bool has_saliency = !IsNone(options.saliency);
  if (has_saliency) CheckFolder(options.saliency, "--saliency");
  if (!options.images.empty()) CheckFolder(options.images, "--images");
  if (options.rule == "paper") {
    if (!has_saliency) Fail("--saliency none: the paper's rules need maps; --rule object does not");
    return;
  }
  if (!has_saliency && options.images.empty())
    Fail("--saliency none: the photographs are looked at instead, but --images DIR is missing");
  if (Resolve(options.crf).labels != CrfLabels::kAll)
    context.log().warn("--crf-labels {} has no effect: none but the tags can win already",
                       options.crf.labels);
}

void Count(const LabelItem& item, const MadeLabel& label, LabelResult& result) {
  result.Add(label.mask);
  result.tags_without_map += static_cast<int64_t>(item.tags_without_map);
  (item.all_tags.empty() ? result.untagged : result.tagged) += 1;
  (item.all_tags.empty() ? result.salient_of_untagged : result.salient_of_tagged) += label.salient;
}

// What a detector finds in photographs where nothing of the tags is cannot be the tags'.
void WarnOfOtherObjects(const LabelOptions& options, const LabelResult& result, Context& context) {
  constexpr int kEnoughToTell = 5;
  if (IsNone(options.saliency) || result.untagged < kEnoughToTell || result.tagged == 0) return;
  const double without = result.salient_of_untagged / static_cast<double>(result.untagged);
  const double with = result.salient_of_tagged / static_cast<double>(result.tagged);
  if (without > 0.5 * with)
    context.log().warn(
        "{}: {:.0f} % of a photograph without tags stands out, of one with tags {:.0f} %: these "
        "maps show something else than the tags' objects; `objects`, and a run with saliency = "
        "\"none\", makes some by the tags instead",
        options.saliency.string(), 100 * without, 100 * with);
}

class LabelStep {
 public:
  LabelStep(const LabelOptions& options, Context& context)
      : options_(Checked(options, context)),
        suspicions_(ClassNames::ReadOrVoc(options_.classes)),
        maker_(options_, suspicions_, context),
        items_(CheckItems(options_, context)) {
    maker_.SetImages(items_);
  }

  LabelResult Run(Context& context) {
    LabelResult result;
    const auto item = [&](int64_t i) -> const LabelItem& { return items_[static_cast<size_t>(i)]; };
    ForEachItem<MadeLabel>("label", static_cast<int64_t>(items_.size()), options_.items,
                           {.name = [&](int64_t i) { return item(i).id; },
                            .make = [&](int64_t i) { return maker_.Make(item(i)); },
                            .write =
                                [&](int64_t i, const MadeLabel& label) {
                                  WriteMaskPng(OutputPath(options_.out, item(i).id, ".png"),
                                               label.mask, VocPalette());
                                },
                            .take =
                                [&](int64_t i, const MadeLabel& label) {
                                  suspicions_.AddMask(options_.out, label.mask, item(i).all_tags);
                                  Count(item(i), label, result);
                                }},
                           context);
    suspicions_.Warn(context);
    WarnOfOtherObjects(options_, result, context);
    return result;
  }

 private:
  static LabelOptions Checked(const LabelOptions& options, Context& context) {
    AllowImages(options.items);
    CheckFolder(options.cams, "--cams");
    CheckRule(options, context);
    CheckOutFolder(options.out, {{"--cams", &options.cams},
                                 {"--saliency", &options.saliency},
                                 {"--images", &options.images}});
    return options;
  }

  LabelOptions options_;
  Suspicions suspicions_;
  LabelMaker maker_;
  std::vector<LabelItem> items_;
};

}  // namespace

Work<LabelResult> PrepareLabel(const LabelOptions& options, Context& context) {
  return PrepareStep<LabelStep>(options, context);
}

}  // namespace i2crc
