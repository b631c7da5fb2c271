// SPDX-License-Identifier: Apache-2.0
#include "i2crc/steps/eval_step.h"

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "i2crc/core/atomic_file.h"
#include "i2crc/data/image_list.h"
#include "i2crc/inputs/image_set.h"
#include "i2crc/inputs/item_loop.h"
#include "i2crc/inputs/mask_set.h"
#include "i2crc/inputs/suspicions.h"
#include "i2crc/metrics/confusion.h"

namespace i2crc {
namespace {

constexpr const char* kTrueMask = "true mask";
constexpr const char* kPrediction = "prediction";

// An image whose truth and prediction were found and agree in size.
struct EvalItem {
  std::string id;
  std::vector<int> tags;  // attention maps: those that have one
  int height;
  int width;
};

SizedFile TruthOf(const EvalOptions& options, const EvalItem& item) {
  return {options.truth / (item.id + ".png"), kTrueMask, item.height, item.width};
}

SizedFile PredictionOf(const EvalOptions& options, const EvalItem& item) {
  return {options.predictions / (item.id + ".png"), kPrediction, item.height, item.width};
}

void CheckPaths(const EvalOptions& options) {
  if (options.predictions.empty() == options.cams.empty())
    Fail("{}; give one of --predictions DIR (masks) and --cams DIR (attention maps)",
         options.cams.empty() ? "nothing to score" : "--predictions and --cams exclude each other");
  if (options.cams.empty()) {
    CheckFolder(options.predictions, "--predictions");
  } else {
    CheckFolder(options.cams, "--cams");
  }
  CheckFolder(options.truth, "--truth");
  if (options.json.empty()) return;
  if (FileIsThere(options.json) && std::filesystem::is_directory(options.json))
    Fail("--json {}: is a folder", options.json.string());
  const std::filesystem::path folder = options.json.parent_path();
  CheckWritable(folder, "--json " + (folder.empty() ? "." : folder.string()));
}

std::vector<ListedImage> ReadList(const EvalOptions& options, const ClassNames& classes) {
  return options.cams.empty() ? ReadImageIds(options.list) : ReadImageList(options.list, classes);
}

EvalItem CheckItem(const EvalOptions& options, const ListedImage& listed) {
  EvalItem item{listed.id, {}, 0, 0};
  const SizedFile truth = CheckMask(TruthOf(options, item).path, kTrueMask);
  item.height = truth.height;
  item.width = truth.width;
  if (options.cams.empty()) {
    CheckSameSize(CheckMask(PredictionOf(options, item).path, kPrediction), truth);
  } else {
    item.tags = CheckAttention(options.cams, listed, truth);
  }
  return item;
}

std::vector<EvalItem> CheckItems(const EvalOptions& options, const ClassNames& classes,
                                 Context& context) {
  std::vector<EvalItem> items;
  size_t listed_tags = 0, tags = 0;
  for (const ListedImage& listed : ReadList(options, classes)) {
    context.CheckInterrupted();
    TryItem(context, options.items.policy(), listed.id, [&] {
      items.push_back(CheckItem(options, listed));
      listed_tags += listed.tags.size();
      tags += items.back().tags.size();
    });
  }
  if (items.empty()) Fail("{}: no image of the list can be scored", options.list.string());
  if (!options.cams.empty() && tags == 0)
    context.log().warn("{}: no map of any tag of the list is there; are they called ID_k.png?",
                       options.cams.string());
  else if (tags < listed_tags)
    context.log().info("eval: {} of {} tags have no map and count as 0", listed_tags - tags,
                       listed_tags);
  return items;
}

// The counts of one image, and whether nothing but 255 was predicted.
template <typename Counts>
struct ItemScore {
  Counts counts;
  bool wholly_ignored = false;
};

ItemScore<Confusion> ScoreMask(const EvalOptions& options, const EvalItem& item, int classes,
                               Suspicions& suspicions) {
  const ImageU8 truth = ReadCheckedMask(TruthOf(options, item), classes);
  ImageU8 prediction = ReadCheckedMask(PredictionOf(options, item), classes, AnyTag::kTaken);
  suspicions.AddMask(options.truth, truth);
  suspicions.AddMask(options.predictions, prediction);
  // Labels that leave open which tag it is decide nothing here.
  if (HasAnyTagLabel(classes))
    std::replace(prediction.values().begin(), prediction.values().end(), kAnyTagLabel,
                 kIgnoreLabel);
  ItemScore<Confusion> score{Confusion(classes)};
  score.counts.Add(prediction, truth);
  score.wholly_ignored = std::all_of(prediction.values().begin(), prediction.values().end(),
                                     [](uint8_t value) { return value == kIgnoreLabel; });
  return score;
}

ItemScore<ThresholdCurve> ScoreAttention(const EvalOptions& options, const EvalItem& item,
                                         int classes, Suspicions& suspicions) {
  const ImageU8 truth = ReadCheckedMask(TruthOf(options, item), classes);
  suspicions.AddMask(options.truth, truth);
  std::vector<ImageU8> maps;
  maps.reserve(item.tags.size());
  for (const int tag : item.tags) {
    maps.push_back(ReadCheckedGrey(
        {AttentionPath(options.cams, item.id, tag), "attention map", item.height, item.width}));
    suspicions.AddAttention(options.cams, fmt::format("{}_{}", item.id, tag), maps.back());
  }
  ImageU8 best_value(item.height, item.width, 1), best_label;
  CombineAttention(maps, item.tags, best_value, best_label);
  ItemScore<ThresholdCurve> score{ThresholdCurve(classes)};
  score.counts.Add(best_value, best_label, truth);
  return score;
}

// The report over all items, whose counts are exact, so that their order does not matter.
template <typename Counts>
ScoreReport Score(const EvalOptions& options, const std::vector<EvalItem>& items,
                  const ClassNames& classes, Suspicions& suspicions, Context& context,
                  ItemScore<Counts> (*score)(const EvalOptions&, const EvalItem&, int classes,
                                             Suspicions&)) {
  Counts counts(classes.count());
  ScoredImages images;
  const ItemWork<ItemScore<Counts>> work = {
      .name = [&](int64_t i) { return items[static_cast<size_t>(i)].id; },
      .make =
          [&](int64_t i) {
            return score(options, items[static_cast<size_t>(i)], classes.count(), suspicions);
          },
      .write = {},
      .take =
          [&](int64_t, const ItemScore<Counts>& of_image) {
            counts.Merge(of_image.counts);
            ++images.scored;
            if (of_image.wholly_ignored) ++images.wholly_ignored;
          }};
  ForEachItem("eval", static_cast<int64_t>(items.size()), options.items, work, context);
  return MakeScoreReport(counts, classes.names(), images);
}

}  // namespace

void Describe(EvalOptions& o, OptionSet& set) {
  set.Add("predictions", &o.predictions, "Folder of masks ID.png to score")
      .Value("DIR")
      .Group("Data");
  set.Add("cams", &o.cams,
          "Folder of attention maps ID_k.png to score at every threshold instead of masks")
      .Value("DIR")
      .Group("Data");
  set.Add("truth", &o.truth, "Folder of true masks ID.png").Required().Value("DIR").Group("Data");
  set.Add("list", &o.list, "Lines of an ID, with its tags where --cams is scored")
      .Required()
      .Value("FILE")
      .Group("Data");
  set.Add("classes", &o.classes, "Class names, one a line; default: VOC's")
      .Value("FILE")
      .Group("Data");
  set.Add("json", &o.json, "Also write the scores to this file").Value("FILE").Group("Output");
  set.Add("min-miou", &o.min_miou, "Exit status 1 where the mIoU is below this many percent")
      .Range(0, 100)
      .Group("Output");
  Describe(o.items, set);
}

namespace {

class EvalStep {
 public:
  EvalStep(const EvalOptions& options, Context& context)
      : options_(Checked(options)),
        classes_(ClassNames::ReadOrVoc(options_.classes)),
        left_out_before_(context.left_out()),
        items_(CheckItems(options_, classes_, context)),
        suspicions_(classes_) {
    suspicions_.AddTags(options_.truth, TagsOfList(options_.list, classes_));
  }

  EvalResult Run(Context& context) {
    EvalResult result;
    result.report = options_.cams.empty()
                        ? Score(options_, items_, classes_, suspicions_, context, ScoreMask)
                        : Score(options_, items_, classes_, suspicions_, context, ScoreAttention);
    suspicions_.Warn(context);
    result.report.images.left_out = static_cast<uint64_t>(context.left_out() - left_out_before_);
    result.below_min_miou = 100 * result.report.mean_iou() < options_.min_miou;
    if (!options_.json.empty()) {
      if (options_.json.has_parent_path()) MakeFolder(options_.json.parent_path());
      WriteFileAtomically(options_.json, result.report.ToJson().dump(2) + "\n");
    }
    return result;
  }

 private:
  static EvalOptions Checked(const EvalOptions& options) {
    AllowImages(options.items);
    CheckPaths(options);
    return options;
  }

  EvalOptions options_;
  ClassNames classes_;
  int64_t left_out_before_;
  std::vector<EvalItem> items_;
  Suspicions suspicions_;
};

}  // namespace

Work<EvalResult> PrepareEval(const EvalOptions& options, Context& context) {
  const auto step = std::make_shared<EvalStep>(options, context);
  return {"", [step](Context& c) { return step->Run(c); }};
}

}  // namespace i2crc
