// SPDX-License-Identifier: Apache-2.0
#include "i2crc/run/recipe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "i2crc/run/run_step.h"

namespace i2crc {
namespace {

using ::testing::ElementsAre;

RecipeFacts Facts(int64_t images, const std::string& backbone = "resnet50") {
  RecipeFacts facts;
  facts.images = images;
  facts.classes = 20;
  facts.backbone = backbone;
  return facts;
}

template <typename Options>
Options With(const Recipe& recipe, const std::vector<std::string>& sections) {
  Options options;
  OptionSet set;
  Describe(options, set);
  for (const std::string& section : sections) recipe.Apply(section, set);
  return options;
}

TEST(PaperRecipe, IsTheDefaults) { EXPECT_TRUE(PaperRecipe().values.empty()); }

TEST(PracticalRecipe, SaysOnlyWhatIsLegalAndWhy) {
  for (const char* backbone : {"resnet18", "resnet50", "resnet101", "vgg16"})
    for (const int64_t images : {1, 20, 555, 10582, 1000000}) {
      const Recipe recipe = PracticalRecipe(Facts(images, backbone));
      // Apply throws for a value that is not legal.
      With<TrainTagsOptions>(recipe, {"train-tags"});
      With<TrainClsOptions>(recipe, {"train-cls"});
      With<CamOptions>(recipe, {"cam"});
      With<LabelOptions>(recipe, {"label"});
      With<TrainSegOptions>(recipe, {"train-seg", "train-seg-1", "train-seg-2"});
      With<PredictOptions>(recipe, {"predict"});
      for (const RecipeValue& value : recipe.values) EXPECT_FALSE(value.why.empty());
    }
}

TEST(PracticalRecipe, StepsGrowWithThePhotographsAndShrinkWithTheEffort) {
  const auto iterations = [](const RecipeFacts& facts) {
    return With<TrainSegOptions>(PracticalRecipe(facts), {"train-seg", "train-seg-2"}).iterations;
  };
  EXPECT_EQ(iterations(Facts(555)), 900);
  EXPECT_LT(iterations(Facts(200)), iterations(Facts(555)));
  EXPECT_GT(iterations(Facts(5000)), iterations(Facts(555)));
  RecipeFacts half = Facts(555);
  half.effort = 0.5;
  EXPECT_EQ(iterations(half), 450);
  // A rate that rises for half of the training would be none.
  half.effort = 0.1;
  EXPECT_EQ(With<TrainSegOptions>(PracticalRecipe(half), {"train-seg"}).warm_up, 12);
  EXPECT_EQ(With<TrainSegOptions>(PracticalRecipe(Facts(555)), {"train-seg"}).warm_up, 50);
}

TEST(PracticalRecipe, IsOfTheMachinesArithmetic) {
  RecipeFacts facts = Facts(555);
  EXPECT_EQ(With<TrainClsOptions>(PracticalRecipe(facts), {"train-cls"}).compute.precision, "fp32");
  facts.has_fast_bf16 = true;
  EXPECT_EQ(With<TrainClsOptions>(PracticalRecipe(facts), {"train-cls"}).compute.precision, "bf16");
}

TEST(PracticalRecipe, GuessesTagsWhereImageNetKnowsMore) {
  const auto tags = [](const RecipeFacts& facts) {
    return With<PredictOptions>(PracticalRecipe(facts), {"predict"}).tags;
  };
  EXPECT_EQ(tags(Facts(555, "resnet50")), "guessed");
  EXPECT_EQ(With<TrainTagsOptions>(PracticalRecipe(Facts(555, "resnet18")), {"train-tags"}).arch,
            "resnet18-stride32");
  // The attention network starts from it.
  const auto attention = [](const RecipeFacts& facts) {
    return With<TrainClsOptions>(PracticalRecipe(facts), {"train-cls"}).arch;
  };
  EXPECT_EQ(attention(Facts(555, "resnet18")), "resnet18-stride32");
  EXPECT_EQ(attention(Facts(555, "vgg16")), "vgg16");
  // No linear layer follows VGG16's features in an attention network.
  EXPECT_EQ(tags(Facts(555, "vgg16")), "unknown");
  RecipeFacts scratch = Facts(555, "resnet18");
  scratch.has_weights = false;
  EXPECT_EQ(tags(scratch), "unknown");
  EXPECT_EQ(attention(scratch), "resnet18");
}

TEST(PracticalRecipe, LooksCloserWithoutSaliency) {
  RecipeFacts facts = Facts(555);
  const auto tried = [&] {
    return With<TrainTagsOptions>(PracticalRecipe(facts), {"train-tags"}).try_input_size;
  };
  EXPECT_EQ(tried(), 0);
  facts.has_saliency = false;
  EXPECT_EQ(tried(), 640);
}

TEST(PracticalRecipe, GrowsObjectsWhereWeightsTellTags) {
  RecipeFacts facts = Facts(555);
  facts.has_fast_bf16 = true;
  const auto precision = [&] {
    return With<ObjectsOptions>(PracticalRecipe(facts), {"objects"}).compute.precision;
  };
  EXPECT_EQ(precision(), "bf16");
  facts.has_saliency = false;
  EXPECT_EQ(precision(), "bf16");
}

TEST(PracticalRecipe, PassesOverFewStepsThatAreNotFinite) {
  const Recipe recipe = PracticalRecipe(Facts(555));
  EXPECT_EQ(With<TrainClsOptions>(recipe, {"train-cls"}).max_bad_steps, 3);
  EXPECT_EQ(With<TrainSegOptions>(recipe, {"train-seg"}).max_bad_steps, 3);
  EXPECT_EQ(TrainClsOptions().max_bad_steps, 0);
  EXPECT_EQ(TrainSegOptions().max_bad_steps, 0);
}

std::vector<std::string> Keys(const nlohmann::ordered_json& settings) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : settings.items()) keys.push_back(key);
  return keys;
}

// What options came later must not stand in the records of those who do not use them: runs and
// trainings of before would be done over.
// It decides whether there is a result, not what it is: trainings of before go on with it, and one
// that it ended goes on with a larger number.
TEST(Records, DoNotNameTheStepsThatMayBePassedOver) {
  TrainClsOptions cls;
  TrainSegOptions seg;
  const auto before = std::pair{SettingsOf(cls), SettingsOf(seg)};
  cls.max_bad_steps = seg.max_bad_steps = 3;
  EXPECT_EQ(std::pair(SettingsOf(cls), SettingsOf(seg)), before);
}

TEST(Records, OfThePapersValuesAreWhatTheyWere) {
  EXPECT_THAT(
      Keys(SettingsOf(TrainSegOptions())),
      ElementsAre("arch", "msc", "width", "normalisation", "freeze-bn", "crop", "crop-scales",
                  "flip", "iterations", "accumulate", "lr", "polynomial-end", "polynomial-power",
                  "polynomial-every", "batch", "momentum", "weight-decay", "seed", "precision"));
  EXPECT_THAT(Keys(SettingsOf(LabelOptions())), ElementsAre("object-floor", "attention-certain",
                                                            "conflict", "doubt", "min-foreground"));
  EXPECT_THAT(
      Keys(SettingsOf(PredictOptions())),
      ElementsAre("probabilities", "overlay", "crf", "crf-preset", "crf-gaussian-sigma",
                  "crf-gaussian-weight", "crf-bilateral-sigma-xy", "crf-bilateral-sigma-rgb",
                  "crf-bilateral-weight", "crf-iterations", "crf-normalisation", "crf-clip",
                  "crf-precision", "crf-labels", "precision"));
}

}  // namespace
}  // namespace i2crc
