// SPDX-License-Identifier: Apache-2.0
#include "i2crc/steps/refine_step.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "i2crc/inputs/made_folder.h"
#include "i2crc/labels/label_rules.h"
#include "support/option_set_checks.h"

namespace i2crc {
namespace {

using testing::ErrorOf;
using ::testing::HasSubstr;
using testing::LoggedContext;
using testing::MadeFolder;
using testing::MadeImage;

constexpr int kHeight = 10;
constexpr int kWidth = 15;

ImageU8 Mask(int seed) {
  return MadeImage(kHeight, kWidth, [=](int y, int x) {
    const int value = (x * 5 + y * 3 + seed) % 7;
    return value == 6 ? 255 : value;
  });
}

class RefineStepTest : public ::testing::Test {
 protected:
  RefineStepTest() {
    options_.predictions = folder_ / "predictions";
    options_.labels = folder_ / "labels";
    options_.list = folder_ / "list.txt";
    options_.out = folder_ / "made/refined";
    options_.items.threads = 1;
  }

  void AddImage(const std::string& id, const std::string& tags, int seed) {
    folder_.Mask("predictions/" + id + ".png", Mask(seed));
    folder_.Mask("labels/" + id + ".png", Mask(seed + 2));
    list_ += id + " " + tags + "\n";
    folder_.Text("list.txt", list_);
  }

  std::string RefusalOf() {
    LoggedContext context;
    const std::string message =
        ErrorOf([&] { PrepareRefine(options_, context).Run(context); }, folder_);
    EXPECT_FALSE(context.work_began());
    EXPECT_FALSE(std::filesystem::exists(folder_ / "made"));
    return message;
  }

  MadeFolder folder_;
  std::string list_;
  RefineOptions options_;
};

TEST_F(RefineStepTest, WritesWhatTheRulesSayAndCounts) {
  AddImage("one", "2", 0);
  AddImage("two", "0 3", 1);
  AddImage("none", "", 2);
  Context context;
  const RefineResult result = PrepareRefine(options_, context).Run(context);
  const ImageU8 one = ReadMask(options_.out / "one.png");
  const ImageU8 two = ReadMask(options_.out / "two.png");
  EXPECT_EQ(one, RefineLabel(Mask(0), Mask(2), std::vector<int>{2}));
  EXPECT_EQ(two, RefineLabel(Mask(1), Mask(3), std::vector<int>{0, 3}));
  EXPECT_NE(one, two);
  EXPECT_EQ(ReadMask(options_.out / "none.png"), ImageU8(kHeight, kWidth, 1, 255));
  EXPECT_TRUE(ReadImageHeader(options_.out / "one.png").palette);
  EXPECT_EQ(result.images, 3);
  EXPECT_EQ(result.wholly_ignored, 1);
  EXPECT_EQ(result.pixels, 3u * kHeight * kWidth);
  EXPECT_GT(result.ignored_share(), 1.0 / 3);
  EXPECT_LT(result.ignored_share(), 1.0);
}

TEST_F(RefineStepTest, MinForegroundReachesTheRules) {
  AddImage("one", "2", 0);
  options_.min_foreground = 1;
  Context context;
  EXPECT_EQ(PrepareRefine(options_, context).Run(context).wholly_ignored, 1);
}

TEST_F(RefineStepTest, OptionsAreDescribed) {
  RefineOptions options;
  OptionSet set;
  Describe(options, set);
  testing::CheckOptionSet(set);
}

TEST_F(RefineStepTest, WarnsOfMasksThatSayNothing) {
  AddImage("one", "2", 0);
  folder_.Mask("labels/one.png", ImageU8(kHeight, kWidth, 1, 255));
  LoggedContext context;
  PrepareRefine(options_, context).Run(context);
  EXPECT_EQ(context.lines(), "warning " + options_.labels.string() +
                                 ": 1 of 1 masks are 255 everywhere, so they are ignored as a "
                                 "whole\n");
}

TEST_F(RefineStepTest, TakesGreyMasksToo) {
  AddImage("one", "2", 0);
  folder_.Grey("predictions/one.png", Mask(0));
  Context context;
  PrepareRefine(options_, context).Run(context);
  EXPECT_EQ(ReadMask(options_.out / "one.png"), RefineLabel(Mask(0), Mask(2), std::vector<int>{2}));
}

TEST_F(RefineStepTest, TheNumberOfThreadsDecidesNothing) {
  for (int i = 0; i < 25; ++i) AddImage("image_" + std::to_string(i), "1 4", i);
  folder_.Mask("labels/image_9.png", ImageU8(kHeight, kWidth, 1, 77));
  options_.items.on_error = "skip";
  std::map<std::string, std::string> files;
  for (const int threads : {1, 2, 6}) {
    options_.items.threads = threads;
    options_.out = folder_ / ("made/" + std::to_string(threads));
    LoggedContext context;
    EXPECT_EQ(PrepareRefine(options_, context).Run(context).images, 24);
    EXPECT_EQ(context.left_out(), 1);
    if (threads == 1) files = folder_.Files("made/1");
    EXPECT_EQ(folder_.Files("made/" + std::to_string(threads)), files);
  }
}

TEST_F(RefineStepTest, AValueThatIsNoClassNamesTheFileAndThePlace) {
  AddImage("a", "0", 0);
  ImageU8 wrong = Mask(0);
  wrong.at(4, 7) = 21;
  folder_.Mask("predictions/a.png", wrong);
  LoggedContext context;
  EXPECT_EQ(ErrorOf([&] { PrepareRefine(options_, context).Run(context); }, folder_),
            "predictions/a.png: prediction has the value 21 at column 7, row 4, but 20 classes "
            "allow 0 to 20 and 255");
  EXPECT_TRUE(context.work_began());
  EXPECT_TRUE(folder_.Files("made").empty());
  folder_.Mask("predictions/a.png", Mask(0));
  folder_.Mask("labels/a.png", wrong);
  EXPECT_THAT(ErrorOf([&] { PrepareRefine(options_, context).Run(context); }, folder_),
              HasSubstr("labels/a.png: label has the value 21"));
}

TEST_F(RefineStepTest, RefusesWhatIsMissing) {
  AddImage("a", "0", 0);
  std::filesystem::remove(folder_ / "labels/a.png");
  EXPECT_EQ(RefusalOf(), "labels/a.png: label is missing");
  std::filesystem::remove(folder_ / "predictions/a.png");
  EXPECT_EQ(RefusalOf(), "predictions/a.png: prediction is missing");
  options_.labels = folder_ / "nowhere";
  EXPECT_EQ(RefusalOf(), "--labels nowhere: no such folder");
}

TEST_F(RefineStepTest, RefusesSizesThatDifferAndNamesBothFiles) {
  AddImage("a", "0", 0);
  folder_.Mask("labels/a.png", ImageU8(kHeight, kWidth + 3, 1));
  EXPECT_EQ(RefusalOf(), "predictions/a.png: prediction is 15x10, its label labels/a.png is 18x10");
}

TEST_F(RefineStepTest, RefusesAPhotographAsMask) {
  AddImage("a", "0", 0);
  WriteRgbPng(folder_ / "predictions/a.png", ImageU8(kHeight, kWidth, 3));
  EXPECT_EQ(RefusalOf(),
            "predictions/a.png: prediction has 3 channels; class indices need a PNG with palette "
            "or 8-bit grey");
}

TEST_F(RefineStepTest, RefusesToOverwriteItsInputs) {
  AddImage("a", "0", 0);
  options_.out = folder_ / "labels";
  EXPECT_THAT(RefusalOf(), HasSubstr("is the folder of --labels too"));
  options_.out = folder_ / "predictions";
  EXPECT_THAT(RefusalOf(), HasSubstr("is the folder of --predictions too"));
}

}  // namespace
}  // namespace i2crc
