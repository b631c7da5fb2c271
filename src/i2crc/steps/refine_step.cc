// SPDX-License-Identifier: Apache-2.0
#include "i2crc/steps/refine_step.h"

#include <string>
#include <vector>

#include "i2crc/data/image_list.h"
#include "i2crc/image/image_file.h"
#include "i2crc/inputs/check_each.h"
#include "i2crc/inputs/image_set.h"
#include "i2crc/inputs/item_loop.h"
#include "i2crc/inputs/suspicions.h"
#include "i2crc/labels/label_rules.h"

namespace i2crc {
namespace {

// An image whose masks were found and agree in size.
struct RefineItem {
  std::string id;
  std::vector<int> tags;
  int height;
  int width;
};

constexpr const char* kPrediction = "prediction";
constexpr const char* kLabel = "label";

RefineItem CheckItem(const RefineOptions& options, const ListedImage& listed) {
  const std::string name = listed.id + ".png";
  const SizedFile prediction = CheckMask(options.predictions / name, kPrediction);
  CheckSameSize(prediction, CheckMask(options.labels / name, kLabel));
  return {listed.id, listed.tags, prediction.height, prediction.width};
}

std::vector<RefineItem> CheckItems(const RefineOptions& options, const ClassNames& classes,
                                   Context& context) {
  return CheckEach<RefineItem>(
      ReadImageList(options.list, classes), options.list, options.items.policy(), context,
      [&](const ListedImage& listed) { return CheckItem(options, listed); });
}

ImageU8 MakeRefined(const RefineOptions& options, const RefineItem& item, int classes,
                    Suspicions& suspicions) {
  const std::string name = item.id + ".png";
  const ImageU8 prediction =
      ReadCheckedMask({options.predictions / name, kPrediction, item.height, item.width}, classes);
  const ImageU8 label =
      ReadCheckedMask({options.labels / name, kLabel, item.height, item.width}, classes);
  suspicions.AddMask(options.predictions, prediction);
  suspicions.AddMask(options.labels, label, item.tags);
  return RefineLabel(prediction, label, item.tags, options.min_foreground);
}

}  // namespace

void Describe(RefineOptions& o, OptionSet& set) {
  set.Add("predictions", &o.predictions, "Folder of masks ID.png that a network predicted")
      .Required()
      .Value("DIR")
      .Group("Data");
  set.Add("labels", &o.labels, "Folder of initial labels ID.png")
      .Required()
      .Value("DIR")
      .Group("Data");
  set.Add("list", &o.list, "Lines of an ID and its tags").Required().Value("FILE").Group("Data");
  set.Add("out", &o.out, "Folder for the masks ID.png").Required().Value("DIR").Group("Data");
  set.Add("classes", &o.classes, "Class names, one a line; default: VOC's")
      .Value("FILE")
      .Group("Data");
  set.Add("min-foreground", &o.min_foreground,
          "A mask with a smaller share of foreground is ignored as a whole")
      .Range(0, 1)
      .Group("Rules");
  Describe(o.items, set);
}

namespace {

class RefineStep {
 public:
  RefineStep(const RefineOptions& options, Context& context)
      : options_(Checked(options)),
        classes_(ClassNames::ReadOrVoc(options_.classes)),
        items_(CheckItems(options_, classes_, context)) {}

  RefineResult Run(Context& context) {
    RefineResult result;
    Suspicions suspicions(classes_);
    const auto item = [&](int64_t i) -> const RefineItem& {
      return items_[static_cast<size_t>(i)];
    };
    ForEachItem<ImageU8>("refine", static_cast<int64_t>(items_.size()), options_.items,
                         {.name = [&](int64_t i) { return item(i).id; },
                          .make =
                              [&](int64_t i) {
                                return MakeRefined(options_, item(i), classes_.count(), suspicions);
                              },
                          .write =
                              [&](int64_t i, const ImageU8& mask) {
                                WriteMaskPng(OutputPath(options_.out, item(i).id, ".png"), mask,
                                             VocPalette());
                              },
                          .take = [&](int64_t, const ImageU8& mask) { result.Add(mask); }},
                         context);
    suspicions.Warn(context);
    return result;
  }

 private:
  static RefineOptions Checked(const RefineOptions& options) {
    AllowImages(options.items);
    CheckFolder(options.predictions, "--predictions");
    CheckFolder(options.labels, "--labels");
    CheckOutFolder(options.out,
                   {{"--predictions", &options.predictions}, {"--labels", &options.labels}});
    return options;
  }

  RefineOptions options_;
  ClassNames classes_;
  std::vector<RefineItem> items_;
};

}  // namespace

Work<RefineResult> PrepareRefine(const RefineOptions& options, Context& context) {
  return PrepareStep<RefineStep>(options, context);
}

}  // namespace i2crc
