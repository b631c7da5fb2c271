// SPDX-License-Identifier: Apache-2.0
#include "i2crc/steps/choose_step.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "i2crc/core/atomic_file.h"
#include "i2crc/data/image_list.h"
#include "i2crc/image/image_file.h"
#include "i2crc/inputs/check_each.h"
#include "i2crc/inputs/image_set.h"
#include "i2crc/inputs/item_loop.h"
#include "i2crc/inputs/mask_set.h"
#include "i2crc/labels/source_agreement.h"

namespace fs = std::filesystem;

namespace i2crc {
namespace {

constexpr const char* kMask = "mask";
constexpr const char* kSaliency = "saliency map";
constexpr const char* kObjectMap = "object map of the network";

struct ChooseItem {
  std::string id;
  std::vector<int> tags;
  int height = 0, width = 0;
};

fs::path ObjectMapPath(const fs::path& network, const std::string& id) {
  return network / (id + "_object.png");
}

ChooseItem CheckItem(const ChooseOptions& options, const ListedImage& listed) {
  const std::string name = listed.id + ".png";
  const SizedFile after = CheckMask(options.after / name, kMask);
  CheckSameSize(CheckMask(options.before / name, kMask), after);
  if (!IsNone(options.saliency)) {
    CheckSameSize(CheckMap(options.saliency / name, kSaliency), after);
    for (const fs::path& network : {options.network_before, options.network_after})
      CheckSameSize(CheckMap(ObjectMapPath(network, listed.id), kObjectMap), after);
    CheckAttention(options.cams, listed, after);
  }
  return {listed.id, listed.tags, after.height, after.width};
}

std::vector<ChooseItem> CheckItems(const ChooseOptions& options, const ClassNames& classes,
                                   Context& context) {
  return CheckEach<ChooseItem>(
      ReadImageList(options.list, classes), options.list, options.items.policy(), context,
      [&](const ListedImage& listed) { return CheckItem(options, listed); });
}

// The attention of every tag, and the strongest of any at each pixel.
struct Sources {
  ObjectSources object;
  std::vector<TagAttention> attention;
};

Sources ReadSources(const ChooseOptions& options, const fs::path& network, const ChooseItem& item) {
  const auto grey = [&](const fs::path& path, const char* kind) {
    return ReadCheckedGrey({path, kind, item.height, item.width});
  };
  Sources sources{
      {grey(options.saliency / (item.id + ".png"), kSaliency),
       grey(ObjectMapPath(network, item.id), kObjectMap), ImageU8(item.height, item.width, 1, 0)},
      ReadAttention(options.cams, item.id, item.tags, item.height, item.width)};
  std::vector<uint8_t>& strongest = sources.object.attention.values();
  for (const auto& [tag, map] : sources.attention)
    std::transform(strongest.begin(), strongest.end(), map.values().begin(), strongest.begin(),
                   [](uint8_t a, uint8_t b) { return std::max(a, b); });
  return sources;
}

// Ignored pixels become background, or an object; an object of any tag is that of the one with the
// strongest attention.
void DecideIgnored(const ObjectBelief& belief, const Sources& sources, bool has_any_tag,
                   ImageU8& mask) {
  for (size_t p = 0; p < mask.pixels(); ++p) {
    uint8_t& label = mask.data()[p];
    const bool is_any_tag = has_any_tag && label == kAnyTagLabel;
    if (label != kIgnoreLabel && !is_any_tag) continue;
    label = 0;
    const int cell =
        ObjectBelief::Cell(sources.object.saliency.data()[p], sources.object.network.data()[p],
                           sources.object.attention.data()[p]);
    if (!is_any_tag && belief.Of(cell) <= 0.5) continue;
    for (const auto& [tag, map] : sources.attention)
      if (map.data()[p] == sources.object.attention.data()[p]) {
        label = static_cast<uint8_t>(tag + 1);
        break;
      }
  }
}

// Where even the better round is expected to miss more than it has right, the sources speak of
// different things: leaves and their lesions.
constexpr double kLeastAgreement = 0.5;

// The masks of a round, and what they are worth.
struct Round {
  fs::path masks, network;
  std::optional<ObjectBelief> belief;
  double expected = 0;
};

class Chooser {
 public:
  Chooser(const ChooseOptions& options, std::vector<ChooseItem> items, int classes,
          Context& context)
      : options_(options), items_(std::move(items)), classes_(classes), context_(context) {}

  ChooseResult Run() {
    Round before{options_.before, options_.network_before, {}, 0};
    Round after{options_.after, options_.network_after, {}, 0};
    ChooseResult result;
    result.images = Count();
    // A photograph without tags has no objects, whatever the sources say: it tells nothing of them.
    result.is_judged = !IsNone(options_.saliency) &&
                       std::any_of(items_.begin(), items_.end(),
                                   [](const ChooseItem& item) { return !item.tags.empty(); });
    if (result.is_judged) {
      before.belief.emplace(Fit(before.network));
      if (after.network == before.network)
        after.belief = before.belief;
      else
        after.belief.emplace(Fit(after.network));
      Judge(before);
      Judge(after);
      result.before = before.expected;
      result.after = after.expected;
      result.do_agree = std::max(result.before, result.after) >= kLeastAgreement;
      result.is_after = !result.do_agree || result.after + options_.margin >= result.before;
    }
    WriteKept(result.is_after ? after : before);
    return result;
  }

 private:
  const ChooseItem& Item(int64_t i) const { return items_[static_cast<size_t>(i)]; }
  int64_t Count() const { return static_cast<int64_t>(items_.size()); }
  ImageU8 Mask(const Round& round, const ChooseItem& item) const {
    return ReadCheckedMask({round.masks / (item.id + ".png"), kMask, item.height, item.width},
                           classes_, AnyTag::kTaken);
  }

  // How far the sources can be trusted, with this network among them.
  ObjectBelief Fit(const fs::path& network) {
    SourceAgreement agreement;
    ForEachItem<Sources>(
        "comparing sources", Count(), options_.items,
        {.name = [&](int64_t i) { return Item(i).id; },
         .make =
             [&](int64_t i) {
               return Item(i).tags.empty() ? Sources() : ReadSources(options_, network, Item(i));
             },
         .write = {},
         .take =
             [&](int64_t i, const Sources& sources) {
               if (!Item(i).tags.empty()) agreement.Add(sources.object);
             }},
        context_);
    return agreement.Fit();
  }

  void Judge(Round& round) {
    int judged = 0;
    ForEachItem<double>(
        "judging masks", Count(), options_.items,
        {.name = [&](int64_t i) { return Item(i).id; },
         .make =
             [&](int64_t i) {
               if (Item(i).tags.empty()) return 0.0;
               const Sources sources = ReadSources(options_, round.network, Item(i));
               return round.belief->ExpectedIou(Mask(round, Item(i)), sources.object);
             },
         .write = {},
         .take =
             [&](int64_t i, const double& iou) {
               round.expected += iou;
               judged += Item(i).tags.empty() ? 0 : 1;
             }},
        context_);
    round.expected /= judged;
  }

  void WriteKept(const Round& round) {
    ForEachItem<ImageU8>(
        "choose", Count(), options_.items,
        {.name = [&](int64_t i) { return Item(i).id; },
         .make =
             [&](int64_t i) {
               ImageU8 mask = Mask(round, Item(i));
               if (options_.decide_ignored && round.belief)
                 DecideIgnored(*round.belief, ReadSources(options_, round.network, Item(i)),
                               HasAnyTagLabel(classes_), mask);
               return mask;
             },
         .write =
             [&](int64_t i, const ImageU8& mask) {
               WriteMaskPng(OutputPath(options_.out, Item(i).id, ".png"), mask, VocPalette());
             },
         .take = [](int64_t, const ImageU8&) {}},
        context_);
  }

  const ChooseOptions& options_;
  const std::vector<ChooseItem> items_;
  const int classes_;
  Context& context_;
};

nlohmann::ordered_json ToJson(const ChooseResult& result) {
  nlohmann::ordered_json json = {{"kept", result.is_after ? "after" : "before"},
                                 {"images", result.images}};
  if (result.is_judged)
    json["expected_iou"] = {{"before", result.before}, {"after", result.after}};
  else
    json["why"] = "not judged: without saliency maps, or without tags, sources are too few";
  if (result.is_judged && !result.do_agree)
    json["why"] = "not judged: saliency, network and attention agree on too little";
  return json;
}

}  // namespace

void Describe(ChooseOptions& o, OptionSet& set) {
  set.Add("before", &o.before, "Folder of masks ID.png, of the earlier round")
      .Required()
      .Value("DIR")
      .Group("Data");
  set.Add("after", &o.after, "The same of the later round").Required().Value("DIR").Group("Data");
  set.Add("saliency", &o.saliency,
          "Folder of saliency maps ID.png; none: --after is kept without being judged")
      .Required()
      .Value("DIR")
      .Keyword(kNone)
      .Group("Data");
  set.Add("network-before", &o.network_before,
          "Folder of ID_object.png, by predict --objects of the earlier round's network, best of "
          "one "
          "that has not learned from these photographs")
      .Required()
      .Value("DIR")
      .Group("Data");
  set.Add("network-after", &o.network_after, "The same of the later round")
      .Required()
      .Value("DIR")
      .Group("Data");
  set.Add("cams", &o.cams, "Folder of attention maps ID_k.png")
      .Required()
      .Value("DIR")
      .Group("Data");
  set.Add("list", &o.list, "Lines of an ID and its tags").Required().Value("FILE").Group("Data");
  set.Add("out", &o.out, "Folder for the masks ID.png").Required().Value("DIR").Group("Data");
  set.Add("classes", &o.classes, "Class names, one a line; default: VOC's")
      .Value("FILE")
      .Group("Data");
  set.Add("margin", &o.margin,
          "The later round is kept unless the earlier one is expected to be better by more")
      .Range(0, 1)
      .Group("Rules")
      .AbsentMeans(0);
  set.Add("decide-ignored", &o.decide_ignored,
          "What the kept masks ignore becomes background or the object of the tag with the "
          "strongest attention, whichever is likelier")
      .Group("Rules");
  Describe(o.items, set);
}

namespace {

class ChooseStep {
 public:
  ChooseStep(const ChooseOptions& options, Context& context)
      : options_(Checked(options)),
        classes_(ClassNames::ReadOrVoc(options_.classes)),
        items_(CheckItems(options_, classes_, context)) {}

  ChooseResult Run(Context& context) {
    const ChooseResult result =
        Chooser(options_, std::move(items_), classes_.count(), context).Run();
    WriteFileAtomically(options_.out / "choice.json", ToJson(result).dump(1) + "\n");
    return result;
  }

 private:
  static ChooseOptions Checked(const ChooseOptions& options) {
    CheckFolder(options.before, "--before");
    CheckFolder(options.after, "--after");
    if (!IsNone(options.saliency)) {
      CheckFolder(options.saliency, "--saliency");
      CheckFolder(options.network_before, "--network-before");
      CheckFolder(options.network_after, "--network-after");
      CheckFolder(options.cams, "--cams");
    }
    CheckOutFolder(options.out, {{"--before", &options.before},
                                 {"--after", &options.after},
                                 {"--saliency", &options.saliency},
                                 {"--network-before", &options.network_before},
                                 {"--network-after", &options.network_after},
                                 {"--cams", &options.cams}});
    return options;
  }

  ChooseOptions options_;
  ClassNames classes_;
  std::vector<ChooseItem> items_;
};

}  // namespace

Work<ChooseResult> PrepareChoose(const ChooseOptions& options, Context& context) {
  return PrepareStep<ChooseStep>(options, context);
}

void LogChoice(const ChooseOptions& options, const ChooseResult& result, Context& context) {
  const auto name = [](const fs::path& folder) { return folder.filename().string(); };
  if (!result.is_judged) {
    context.log().info("choose: {} kept, not judged: there are too few sources",
                       options.after.string());
    return;
  }
  if (!result.do_agree) {
    context.log().info(
        "choose: {} kept, not judged: the sources agree on too little, expected IoU of objects "
        "{:.1f} %, of {} {:.1f} %",
        name(options.after), 100 * result.after, name(options.before), 100 * result.before);
    return;
  }
  const double kept = result.is_after ? result.after : result.before;
  const double left = result.is_after ? result.before : result.after;
  context.log().info("choose: {} kept; expected IoU of objects {:.1f} %, of {} {:.1f} %",
                     name(result.is_after ? options.after : options.before), 100 * kept,
                     name(result.is_after ? options.before : options.after), 100 * left);
}

}  // namespace i2crc
