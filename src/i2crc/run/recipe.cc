// SPDX-License-Identifier: Apache-2.0
#include "i2crc/run/recipe.h"

#include <algorithm>
#include <cmath>
#include <fstream>

#include "i2crc/core/error.h"
#include "i2crc/core/image.h"

namespace i2crc {
namespace {

using Json = nlohmann::json;

// Steps of a training: `at_reference` for 555 photographs, growing with the root of their number,
// since more photographs bring more to learn but each is seen less often.
int64_t Steps(const RecipeFacts& facts, double at_reference, double least, double most) {
  constexpr double kReferenceImages = 555;
  const double grown =
      at_reference * std::sqrt(static_cast<double>(facts.images) / kReferenceImages);
  return std::llround(std::clamp(grown, least, most) * facts.effort);
}

int64_t FirstRoundSteps(const RecipeFacts& facts) { return Steps(facts, 500, 250, 8000); }

// Of both trainings.
constexpr int kMaxBadSteps = 3;
constexpr const char* kWhyMaxBadSteps =
    "one step that overflows must not end a night's training; more in a row are one that diverged";

class Builder {
 public:
  explicit Builder(std::string section) : section_(std::move(section)) {}
  void Set(const std::string& option, Json value, const std::string& why) {
    values_.push_back({section_, option, std::move(value), why});
  }
  void Section(std::string section) { section_ = std::move(section); }
  std::vector<RecipeValue> Take() { return std::move(values_); }

 private:
  std::string section_;
  std::vector<RecipeValue> values_;
};

void AddTags(const RecipeFacts& facts, Builder& b) {
  if (!CanTellTags(facts)) return;
  b.Section("train-tags");
  b.Set("arch", facts.backbone + "-stride32", "what the weights are of, just as they were trained");
  if (!facts.has_saliency)
    b.Set("try-input-size", 640,
          "small things want a closer look; without saliency all depends on it");
  b.Section("predict");
  b.Set("tags", "guessed",
        "a few hundred photographs teach a segmentation network outlines better than names");
}

void AddAttention(const RecipeFacts& facts, Builder& b) {
  constexpr int kBatch = 5;
  b.Section("train-cls");
  if (CanTellTags(facts))
    b.Set("arch", facts.backbone + "-stride32",
          "train-tags', which it starts from: its head knows names that so few steps do not teach");
  else
    b.Set("arch", facts.backbone, "what the weights are of");
  b.Set("batch", kBatch, "the paper's");
  const int64_t steps = Steps(facts, 666, 400, 12000);
  const auto epochs = std::max<int64_t>(
      2, std::llround(static_cast<double>(steps * kBatch) / static_cast<double>(facts.images)));
  b.Set("epochs", epochs,
        "about 666 steps for 555 photographs, growing with the root of their number");
  b.Set("lr", 1e-2, "with the paper's 1e-3 so few steps learn nothing");
  const auto share = [&](double part) {
    return std::clamp<int64_t>(std::llround(part * static_cast<double>(epochs)), 1, epochs);
  };
  b.Set("checkpoint-every", 100, "an interruption costs minutes at most");
  b.Set("max-bad-steps", kMaxBadSteps, kWhyMaxBadSteps);
  b.Set("lr-milestones", Json::array({share(0.5), share(5.0 / 6)}),
        "half and five sixths of the epochs");
  b.Section("cam");
  b.Set("scales", Json::array({1, 1.5}), "a larger view finds parts that the square misses");
  b.Set("flip", true, "half of the noise of a single view");
}

constexpr int kMinAlone = 10;
constexpr const char* kWhyMinAlone =
    "a tag that hardly stands alone is not learned from open labels";

void AddLabels(const RecipeFacts& facts, Builder& b) {
  b.Section("label");
  b.Set("rule", "object", "the paper's rules ignore half of every object");
  b.Set("partial-labels", HasAnyTagLabel(facts.classes),
        "attention alone knows too little of whose an object is to be learned by heart");
  b.Set("min-alone", kMinAlone, kWhyMinAlone);
}

void AddSegmentation(const RecipeFacts& facts, Builder& b) {
  const bool is_vgg = facts.backbone == "vgg16";
  b.Section("train-seg");
  b.Set("arch", is_vgg ? "largefov-vgg16" : "deeplabplus-" + facts.backbone,
        is_vgg ? "what the weights are of" : "stride 16: a third of what stride 8 costs");
  b.Set("msc", false, "three passes a step for little");
  b.Set("freeze-bn", facts.has_weights, "batches are too small for statistics of their own");
  b.Set("freeze-stages", facts.has_weights ? 2 : 0,
        "edges and colours need no learning from few photographs");
  b.Set("crop", 257, "the middle between context and time");
  b.Set("crop-scales", Json::array({0.6, 0.8, 1, 1.25, 1.6}), "as the paper's, a little narrower");
  for (const char* jitter : {"jitter-brightness", "jitter-contrast", "jitter-saturation"})
    b.Set(jitter, 0.2, "few photographs: colours must not be learned by heart");
  b.Set("partial-labels", HasAnyTagLabel(facts.classes),
        "an object that may be either tag's is better learned from photographs of one tag");
  b.Set("batch", 5, "the paper's");
  b.Set("accumulate", 1, "more steps instead");
  b.Set("lr", 1e-3, "four times the paper's: few steps");
  b.Set("lr-head-factor", 10, "the head starts from nothing, the backbone from ImageNet");
  b.Set("warm-up", std::min<int64_t>(50, FirstRoundSteps(facts) / 4),
        "so that the new head does not disturb the backbone");
  b.Set("weight-decay", 1e-4, "for few steps");
  b.Set("checkpoint-every", 200, "an interruption costs minutes at most");
  b.Set("max-bad-steps", kMaxBadSteps, kWhyMaxBadSteps);
  b.Section("train-seg-1");
  b.Set("iterations", FirstRoundSteps(facts),
        "500 for 555 photographs, of which each network sees half; growing with the root of their "
        "number");
  b.Section("train-seg-2");
  b.Set("iterations", Steps(facts, 900, 450, 15000),
        "900 for 555 photographs, growing with the root of their number");
  if (HasAnyTagLabel(facts.classes)) {
    b.Set("min-owner", 0.85, "what is less sure is wrong too often: the network decides");
    b.Set("min-alone", kMinAlone, kWhyMinAlone);
  }
  b.Section("predict");
  b.Set("flip", true, "a second view, for half a second");
  b.Set("network-share", 0.5, "where network and saliency agree neither knows better");
  b.Set("network-share-apart", 0.9,
        "where they do not, the network knows what it looks for, and a detector fails as a whole");
  b.Set("objects-first", true,
        "where it is not known whose an object is it is an object all the same");
  b.Set("tag-balance", 1, "each tag was given because it is somewhere in the photograph");
}

}  // namespace

bool CanTellTags(const RecipeFacts& facts) {
  return facts.has_weights && facts.backbone.starts_with("resnet");
}

nlohmann::ordered_json ToJson(const RecipeFacts& facts) {
  nlohmann::ordered_json json = {{"images", facts.images},
                                 {"classes", facts.classes},
                                 {"has_saliency", facts.has_saliency},
                                 {"backbone", facts.backbone},
                                 {"has_weights", facts.has_weights},
                                 {"has_fast_bf16", facts.has_fast_bf16},
                                 {"effort", facts.effort}};
  if (facts.minutes > 0) json["minutes"] = facts.minutes;
  return json;
}

void Recipe::Apply(const std::string& section, OptionSet& set) const {
  for (const RecipeValue& value : values) {
    if (value.section != section) continue;
    Option* option = set.Find(value.option);
    ENSURE(option != nullptr, "recipe {}: [{}] has no {}", name, section, value.option);
    option->SetFromJson(value.value, {});
  }
}

Recipe PaperRecipe() { return {"paper", {}}; }

Recipe PracticalRecipe(const RecipeFacts& facts) {
  ENSURE(facts.images > 0 && facts.effort > 0, "a recipe for {} images", facts.images);
  Builder b("");
  AddTags(facts, b);
  AddAttention(facts, b);
  AddLabels(facts, b);
  AddSegmentation(facts, b);
  std::vector<const char*> with_network = {"train-tags", "train-cls", "cam", "train-seg",
                                           "predict"};
  if (CanTellTags(facts)) with_network.push_back("objects");
  for (const char* section : with_network) {
    b.Section(section);
    b.Set("precision", facts.has_fast_bf16 ? "bf16" : "fp32",
          facts.has_fast_bf16 ? "this machine multiplies in bf16, in half the time"
                              : "this machine has no units for bf16");
  }
  return {"practical", b.Take()};
}

bool HasFastBf16() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("flags"))
      return line.find(" avx512_bf16") != std::string::npos ||
             line.find(" amx_bf16") != std::string::npos;
  return false;
}

}  // namespace i2crc
