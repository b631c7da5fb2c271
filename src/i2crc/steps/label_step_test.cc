// SPDX-License-Identifier: Apache-2.0
#include "i2crc/steps/label_step.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "i2crc/inputs/made_folder.h"
#include "support/option_set_checks.h"

namespace i2crc {
namespace {

using ::testing::AllOf;
using testing::ErrorOf;
using ::testing::HasSubstr;
using testing::LoggedContext;
using testing::MadeFolder;
using testing::MadeImage;
using ::testing::Not;

constexpr int kHeight = 12;
constexpr int kWidth = 20;

// The object in the left half, the attention in the left quarter of it.
int Saliency(int, int x) { return x < kWidth / 2 ? 255 : 0; }
int Attention(int, int x) { return x < kWidth / 4 ? 255 : 0; }

class LabelStepTest : public ::testing::Test {
 protected:
  LabelStepTest() {
    options_.cams = folder_ / "cams";
    options_.saliency = folder_ / "saliency";
    options_.list = folder_ / "list.txt";
    options_.out = folder_ / "made/labels";
    options_.items.threads = 1;
  }

  void AddImage(const std::string& id, const std::vector<int>& tags) {
    std::string line = id;
    folder_.Grey("saliency/" + id + ".png", MadeImage(kHeight, kWidth, Saliency));
    for (const int tag : tags) {
      line += " " + std::to_string(tag);
      folder_.Grey("cams/" + id + "_" + std::to_string(tag) + ".png",
                   MadeImage(kHeight, kWidth, Attention));
    }
    list_ += line + "\n";
    folder_.Text("list.txt", list_);
  }

  // Found before work began, nothing written.
  std::string RefusalOf() {
    LoggedContext context;
    const std::string message =
        ErrorOf([&] { PrepareLabel(options_, context).Run(context); }, folder_);
    EXPECT_FALSE(context.work_began());
    EXPECT_FALSE(std::filesystem::exists(folder_ / "made"));
    return message;
  }

  MadeFolder folder_;
  std::string list_;
  LabelOptions options_;
};

TEST_F(LabelStepTest, WritesMasksWithAWholePaletteAndCounts) {
  AddImage("a", {3});
  AddImage("b", {});
  LoggedContext context;
  const LabelResult result = PrepareLabel(options_, context).Run(context);
  EXPECT_EQ(ReadMask(options_.out / "a.png"), MadeImage(kHeight, kWidth, [](int, int x) {
              return x < kWidth / 4 ? 4 : x < kWidth / 2 ? 255 : 0;
            }));
  EXPECT_EQ(ReadMask(options_.out / "b.png"), ImageU8(kHeight, kWidth, 1, 255));
  EXPECT_TRUE(ReadImageHeader(options_.out / "a.png").palette);
  EXPECT_EQ(result.images, 2);
  EXPECT_EQ(result.wholly_ignored, 1);
  EXPECT_EQ(result.tags_without_map, 0);
  EXPECT_DOUBLE_EQ(result.ignored_share(), (0.25 + 1) / 2);
  EXPECT_TRUE(context.work_began());
  EXPECT_EQ(context.lines(),
            "warning " + options_.out.string() +
                ": 1 of 2 masks are 255 everywhere, so they are ignored as a whole\n");
}

TEST_F(LabelStepTest, PassesOverTagsWithoutMapAndCountsThem) {
  AddImage("a", {3, 7});
  AddImage("b", {3});
  std::filesystem::remove(folder_ / "cams/a_7.png");
  std::filesystem::remove(folder_ / "cams/b_3.png");
  LoggedContext context(spdlog::level::debug);
  const LabelResult result = PrepareLabel(options_, context).Run(context);
  EXPECT_EQ(result.tags_without_map, 2);
  EXPECT_EQ(context.left_out(), 0);
  EXPECT_THAT(context.lines(), HasSubstr("a_7.png: not there, so the tag is passed over"));
  EXPECT_THAT(context.lines(), HasSubstr("b_3.png: not there, so the tag is passed over"));
  EXPECT_EQ(ReadMask(options_.out / "a.png").at(0, 0), 4);
}

TEST_F(LabelStepTest, WarnsWhereNoMapOfAnyTagIsThere) {
  AddImage("a", {3});
  std::filesystem::remove(folder_ / "cams/a_3.png");
  LoggedContext context;
  EXPECT_EQ(PrepareLabel(options_, context).Run(context).tags_without_map, 1);
  EXPECT_THAT(context.lines(), HasSubstr("no map of any tag of the list is there"));
}

TEST_F(LabelStepTest, WarnsOfMapsThatTellNothingAndOfTagsWithoutAPixel) {
  for (const char* id : {"c", "a", "b", "d"}) AddImage(id, {3});
  AddImage("e", {3, 7});  // the same attention for both: a conflict everywhere
  for (const char* id : {"b", "c"})
    folder_.Grey("saliency/" + std::string(id) + ".png", ImageU8(kHeight, kWidth, 1, 255));
  const ImageU8 dark =
      MadeImage(kHeight, kWidth, [](int, int x) { return x < kWidth / 4 ? 1 : 0; });
  folder_.Grey("saliency/d.png", dark);
  folder_.Grey("cams/a_3.png", dark);
  LoggedContext context;
  PrepareLabel(options_, context).Run(context);
  const auto warning = [&](const std::string& folder, const std::string& text) {
    return HasSubstr("warning " + (folder_ / folder).string() + ": " + text + "\n");
  };
  EXPECT_THAT(context.lines(),
              AllOf(warning("saliency",
                            "2 of 5 saliency maps have one value everywhere and tell nothing; the "
                            "first is b.png"),
                    warning("saliency",
                            "1 of 5 saliency maps have values of 0 and 1 only, where 255 is the "
                            "most: multiply them by 255; the first is d.png"),
                    warning("cams",
                            "1 of 6 attention maps have values of 0 and 1 only, where 255 is the "
                            "most: multiply them by 255; the first is a_3.png"),
                    warning("made/labels",
                            "no pixel of any mask is of a class that images are tagged with: "
                            "'cat'")));
}

TEST_F(LabelStepTest, EveryThresholdReachesTheRules) {
  // Every pair of saliency and attention, so that every threshold moves some pixel.
  AddImage("a", {1});
  folder_.Grey("saliency/a.png", MadeImage(16, 16, [](int, int x) { return x * 17; }));
  folder_.Grey("cams/a_1.png", MadeImage(16, 16, [](int y, int) { return y * 17; }));
  Context context;
  PrepareLabel(options_, context).Run(context);
  const ImageU8 plain = ReadMask(options_.out / "a.png");
  const auto with = [&](auto change) {
    LabelOptions changed = options_;
    change(changed.rules);
    PrepareLabel(changed, context).Run(context);
    return ReadMask(options_.out / "a.png");
  };
  EXPECT_EQ(with([](LabelThresholds&) {}), plain);
  EXPECT_NE(with([](LabelThresholds& rules) { rules.object_floor = 0.9; }), plain);
  EXPECT_NE(with([](LabelThresholds& rules) {
              rules.attention_certain = 0;
              rules.doubt = 255;
            }),
            with([](LabelThresholds& rules) { rules.doubt = 255; }));
  EXPECT_NE(with([](LabelThresholds& rules) { rules.conflict = 0.5; }), plain);
  EXPECT_NE(with([](LabelThresholds& rules) { rules.doubt = 0; }), plain);
  EXPECT_NE(with([](LabelThresholds& rules) { rules.min_foreground = 1; }), plain);
}

TEST_F(LabelStepTest, TheDefaultsAreTheAuthors) {
  // ALGORITHM.md, stage 3.
  for (const LabelRuleOptions& rules : {LabelThresholds().rules(), LabelRuleOptions()}) {
    EXPECT_EQ(rules.object_floor, 0.3F);
    EXPECT_EQ(rules.attention_certain, 0.5F);
    EXPECT_EQ(rules.conflict, 0.9F);
    EXPECT_EQ(rules.doubt, 32);
    EXPECT_EQ(rules.min_foreground, 0.01);
  }
}

TEST_F(LabelStepTest, OptionsAreDescribed) {
  LabelOptions options;
  OptionSet set;
  Describe(options, set);
  testing::CheckOptionSet(set);
}

TEST_F(LabelStepTest, TheNumberOfThreadsDecidesNothing) {
  for (int i = 0; i < 30; ++i) AddImage("image_" + std::to_string(i), {i % 20, (i * 7) % 20});
  for (const int broken : {4, 5, 21})
    folder_.Text("saliency/image_" + std::to_string(broken) + ".png",
                 testing::ReadBytes(folder_ / "saliency/image_0.png").substr(0, 60));
  options_.items.on_error = "skip";
  std::map<std::string, std::string> files;
  std::string lines;
  for (const int threads : {1, 2, 7}) {
    options_.items.threads = threads;
    std::filesystem::remove_all(options_.out);
    LoggedContext context(spdlog::level::debug);
    EXPECT_EQ(PrepareLabel(options_, context).Run(context).images, 27);
    EXPECT_EQ(context.left_out(), 3);
    if (threads == 1) {
      files = folder_.Files("made/labels");
      lines = context.lines();
      EXPECT_EQ(files.size(), 27u);
    }
    EXPECT_EQ(folder_.Files("made/labels"), files);
    EXPECT_EQ(context.lines(), lines);
  }
}

TEST_F(LabelStepTest, ADamagedMapStopsWorkAtTheSameImageAlways) {
  for (int i = 0; i < 12; ++i) AddImage("image_" + std::to_string(i), {3});
  for (const int broken : {6, 7})
    folder_.Text("cams/image_" + std::to_string(broken) + "_3.png",
                 testing::ReadBytes(folder_ / "cams/image_0_3.png").substr(0, 60));
  for (const int threads : {1, 4}) {
    options_.items.threads = threads;
    LoggedContext context;
    EXPECT_THAT(ErrorOf([&] { PrepareLabel(options_, context).Run(context); }, folder_),
                HasSubstr("cams/image_6_3.png: "));
    EXPECT_TRUE(context.work_began());
    EXPECT_GE(folder_.Files("made/labels").size(), 6u);
  }
}

TEST_F(LabelStepTest, IdsWithFoldersKeepThem) {
  AddImage("cats/one", {7});
  Context context;
  PrepareLabel(options_, context).Run(context);
  EXPECT_EQ(ReadMask(options_.out / "cats/one.png").at(0, 0), 8);
}

TEST_F(LabelStepTest, OtherClassesThanVoc) {
  std::string names;
  for (int k = 0; k < 254; ++k) names += "class_" + std::to_string(k) + "\n";
  folder_.Text("classes.txt", names);
  AddImage("a", {253});
  EXPECT_THAT(RefusalOf(), HasSubstr("list.txt:1: class '253' is out of range"));
  options_.classes = folder_ / "classes.txt";
  Context context;
  PrepareLabel(options_, context).Run(context);
  EXPECT_EQ(ReadMask(options_.out / "a.png").at(0, 0), 254);
}

TEST_F(LabelStepTest, RefusesSizesThatDifferAndNamesBothFiles) {
  AddImage("a", {3});
  AddImage("b", {3, 5});
  folder_.Grey("cams/b_5.png", MadeImage(kHeight, kWidth + 1, Attention));
  EXPECT_EQ(RefusalOf(),
            "cams/b_5.png: attention map is 21x12, its saliency map saliency/b.png is 20x12");
}

TEST_F(LabelStepTest, RefusesWhatIsMissing) {
  AddImage("a", {3});
  AddImage("b", {3});
  std::filesystem::remove(folder_ / "saliency/b.png");
  EXPECT_EQ(RefusalOf(), "saliency/b.png: saliency map is missing");
  options_.saliency = folder_ / "nowhere";
  EXPECT_EQ(RefusalOf(), "--saliency nowhere: no such folder");
  options_.cams = folder_ / "list.txt";
  EXPECT_EQ(RefusalOf(), "--cams list.txt: not a folder");
}

TEST_F(LabelStepTest, RefusesAMapWhoseHeaderIsBroken) {
  AddImage("a", {3});
  folder_.Text("cams/a_3.png", "not an image");
  EXPECT_THAT(RefusalOf(), HasSubstr("cams/a_3.png: "));
}

TEST_F(LabelStepTest, RefusesListsThatCannotBeUsed) {
  AddImage("a", {3});
  folder_.Text("list.txt", "../a 3\n");
  EXPECT_THAT(RefusalOf(), HasSubstr("list.txt:1: the ID '../a' leaves the folder"));
  folder_.Text("list.txt", "# nothing\n");
  EXPECT_THAT(RefusalOf(), HasSubstr("list.txt: the list has no images"));
  folder_.Text("list.txt", "a kitten\n");
  EXPECT_THAT(RefusalOf(), HasSubstr("list.txt:1: unknown class 'kitten'"));
  std::filesystem::remove(folder_ / "list.txt");
  EXPECT_THAT(RefusalOf(), HasSubstr("list.txt: "));
}

TEST_F(LabelStepTest, RefusesToOverwriteItsInputs) {
  AddImage("a", {3});
  options_.out = folder_ / "saliency/.";
  EXPECT_THAT(RefusalOf(), HasSubstr("is the folder of --saliency too"));
  options_.out = folder_ / "list.txt";
  EXPECT_EQ(RefusalOf(), "--out list.txt: not a folder");
}

TEST_F(LabelStepTest, LeavesOutWhatCannotBeUsedWhereTold) {
  AddImage("a", {3});
  AddImage("b", {3});
  std::filesystem::remove(folder_ / "saliency/a.png");
  options_.items.on_error = "skip";
  LoggedContext context;
  EXPECT_EQ(PrepareLabel(options_, context).Run(context).images, 1);
  EXPECT_EQ(context.left_out(), 1);
  EXPECT_EQ(folder_.Files("made/labels").count("a.png"), 0u);
  std::filesystem::remove(folder_ / "saliency/b.png");
  EXPECT_THAT(ErrorOf([&] { PrepareLabel(options_, context).Run(context); }, folder_),
              HasSubstr("list.txt: no image of the list can be used"));
}

// What stands out where nothing of the tags is cannot be theirs: leaves, where the tags are spots
// on them.
TEST_F(LabelStepTest, WarnsOfMapsThatShowSomethingElseThanTheTags) {
  for (const char* id : {"a", "b"}) AddImage(id, {3});
  for (const char* id : {"n1", "n2", "n3", "n4"}) AddImage(id, {});
  LoggedContext few;
  PrepareLabel(options_, few).Run(few);
  EXPECT_THAT(few.lines(), Not(HasSubstr("something else")));
  AddImage("n5", {});
  LoggedContext context;
  PrepareLabel(options_, context).Run(context);
  EXPECT_THAT(context.lines(),
              HasSubstr("saliency: 50 % of a photograph without tags stands out, of one with tags "
                        "50 %: these maps show something else than the tags' objects"));
  for (const char* id : {"n1", "n2", "n3"})
    folder_.Grey("saliency/" + std::string(id) + ".png", ImageU8(kHeight, kWidth, 1, 0));
  LoggedContext blank;
  PrepareLabel(options_, blank).Run(blank);
  EXPECT_THAT(blank.lines(), Not(HasSubstr("something else")));
}

}  // namespace
}  // namespace i2crc
