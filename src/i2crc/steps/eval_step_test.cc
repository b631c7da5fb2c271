// SPDX-License-Identifier: Apache-2.0
#include "i2crc/steps/eval_step.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "i2crc/inputs/made_folder.h"
#include "support/option_set_checks.h"

namespace i2crc {
namespace {

using testing::ErrorOf;
using ::testing::HasSubstr;
using testing::LoggedContext;
using testing::MadeFolder;
using testing::MadeImage;
using testing::ReadBytes;

constexpr int kSide = 8;

ImageU8 Truth() {
  return MadeImage(kSide, kSide, [](int y, int x) { return y == 0 ? 255 : x < 4 ? 0 : 3; });
}

class EvalStepTest : public ::testing::Test {
 protected:
  EvalStepTest() {
    options_.predictions = folder_ / "predictions";
    options_.truth = folder_ / "truth";
    options_.list = folder_ / "list.txt";
    options_.items.threads = 1;
  }

  void AddImage(const std::string& id, const ImageU8& prediction) {
    folder_.Mask("truth/" + id + ".png", Truth());
    folder_.Mask("predictions/" + id + ".png", prediction);
    AddLine(id);
  }
  void AddLine(const std::string& line) {
    list_ += line + "\n";
    folder_.Text("list.txt", list_);
  }
  void ScoreAttention() {
    options_.predictions.clear();
    options_.cams = folder_ / "cams";
    MakeFolder(options_.cams);
  }

  EvalResult Score() {
    Context context;
    return PrepareEval(options_, context).Run(context);
  }
  std::string RefusalOf() {
    options_.json = folder_ / "made/scores.json";
    LoggedContext context;
    const std::string message =
        ErrorOf([&] { PrepareEval(options_, context).Run(context); }, folder_);
    EXPECT_FALSE(context.work_began());
    EXPECT_FALSE(std::filesystem::exists(folder_ / "made"));
    return message;
  }

  MadeFolder folder_;
  std::string list_;
  EvalOptions options_;
};

TEST_F(EvalStepTest, ScoresMasksOverAllImagesInOneMatrix) {
  AddImage("a", Truth());
  // Half of the object is missed; what is predicted where the truth is 255 does not matter.
  AddImage("b", MadeImage(kSide, kSide, [](int y, int x) { return y == 0 ? 9 : x < 6 ? 0 : 3; }));
  const ScoreReport report = Score().report;
  // Per image 28 scored pixels of each; 14 of the object are called background.
  const double background = 56.0 / 70, object = 42.0 / 56;
  EXPECT_DOUBLE_EQ(report.rows[0].iou.value(), background);
  EXPECT_DOUBLE_EQ(report.rows[3].iou.value(), object);
  EXPECT_FALSE(report.rows[9].iou.has_value());
  EXPECT_DOUBLE_EQ(report.mean_iou(), (background + object) / 2);
  EXPECT_EQ(report.rows.size(), 21u);
  EXPECT_EQ(report.rows[3].name, "bird");
  EXPECT_EQ(report.images.scored, 2u);
  EXPECT_TRUE(report.curve.empty());
}

TEST_F(EvalStepTest, ScoresIgnoredPixelsBothWays) {
  AddImage("a", MadeImage(kSide, kSide, [](int, int x) { return x < 4 ? 0 : x < 6 ? 3 : 255; }));
  AddImage("b", ImageU8(kSide, kSide, 1, 255));
  const ScoreReport report = Score().report;
  EXPECT_DOUBLE_EQ(report.mean_iou_ignored_left_out, 1.0);
  EXPECT_DOUBLE_EQ(report.ignored_share, (14.0 + 56) / 112);
  EXPECT_DOUBLE_EQ(report.mean_iou_ignored_as_background, (56.0 / 98 + 14.0 / 56) / 2);
  EXPECT_EQ(report.images.wholly_ignored, 1u);
}

TEST_F(EvalStepTest, ScoresAttentionMapsAtEveryThreshold) {
  AddLine("a 2");
  AddLine("b 2 5");  // its maps are missing: all background
  for (const char* id : {"a", "b"}) folder_.Mask("truth/" + std::string(id) + ".png", Truth());
  ScoreAttention();
  folder_.Grey("cams/a_2.png", MadeImage(kSide, kSide, [](int, int x) {
                 return x < 2 ? 0 : x < 4 ? 51 : 255;
               }));
  LoggedContext context;
  const ScoreReport report = PrepareEval(options_, context).Run(context).report;
  ASSERT_EQ(report.curve.size(), 99u);
  // 51/255 is not above 0.20.
  const double good = (56.0 / 84 + 28.0 / 56) / 2, poor = (42.0 / 84 + 28.0 / 70) / 2;
  EXPECT_DOUBLE_EQ(report.curve[18], poor);
  EXPECT_DOUBLE_EQ(report.curve[19], good);
  EXPECT_DOUBLE_EQ(report.best_threshold.value(), 0.20);
  EXPECT_DOUBLE_EQ(report.mean_iou(), good);
  EXPECT_EQ(context.lines(),
            "info eval: 2 of 3 tags have no map and count as 0\n"
            "warning " +
                options_.truth.string() +
                ": no pixel of any mask is of a class that images are tagged with: 'bus'\n");
}

TEST_F(EvalStepTest, WarnsWhereNoMapIsThere) {
  AddLine("a 2");
  folder_.Mask("truth/a.png", Truth());
  ScoreAttention();
  LoggedContext context;
  PrepareEval(options_, context).Run(context);
  EXPECT_THAT(context.lines(), HasSubstr("warning"));
  EXPECT_THAT(context.lines(), HasSubstr("no map of any tag of the list is there"));
}

TEST_F(EvalStepTest, WarnsOfMasksThatSayNothing) {
  folder_.Text("classes.txt", "lesion\n");
  options_.classes = folder_ / "classes.txt";
  const ImageU8 object = MadeImage(kSide, kSide, [](int, int x) { return x < 4 ? 0 : 255; });
  for (const char* id : {"a", "b"}) {
    AddImage(id, MadeImage(kSide, kSide, [](int, int x) { return x < 4 ? 0 : 1; }));
    folder_.Mask("truth/" + std::string(id) + ".png", object);
  }
  LoggedContext context;
  EXPECT_EQ(PrepareEval(options_, context).Run(context).report.mean_iou(), 1.0);
  const std::string nothing =
      ": none of 2 masks has a pixel of a class, they hold 0 (background) and 255 (ignored) only; "
      "the value of an object is its class index + 1, of 'lesion' 1\n";
  EXPECT_EQ(context.lines(), "warning " + options_.truth.string() + nothing);
  // The same the other way round.
  std::swap(options_.predictions, options_.truth);
  LoggedContext swapped;
  PrepareEval(options_, swapped).Run(swapped);
  EXPECT_EQ(swapped.lines(), "warning " + options_.predictions.string() + nothing);
}

TEST_F(EvalStepTest, WarnsOfTagsThatTheTruthDoesNotHave) {
  AddImage("a", Truth());
  folder_.Text("list.txt", "a bird cat\n");
  LoggedContext context;
  PrepareEval(options_, context).Run(context);
  EXPECT_EQ(context.lines(),
            "warning " + options_.truth.string() +
                ": no pixel of any mask is of a class that images are tagged with: 'cat'\n");
}

TEST_F(EvalStepTest, NamesWithBlanksStandInTableAndJson) {
  AddImage("a", MadeImage(kSide, kSide, [](int, int) { return 0; }));
  folder_.Mask("truth/a.png", MadeImage(kSide, kSide, [](int, int x) { return x < 4 ? 0 : 2; }));
  folder_.Text("classes.txt", "person\ntraffic light\n");
  options_.classes = folder_ / "classes.txt";
  options_.json = folder_ / "scores.json";
  EXPECT_THAT(Score().report.ToText(), HasSubstr("\ntraffic light    0.00            32\n"));
  const auto json = nlohmann::ordered_json::parse(ReadBytes(options_.json));
  EXPECT_EQ(json["classes"][2]["name"], "traffic light");
}

TEST_F(EvalStepTest, WritesTheReportAsJson) {
  AddImage("a", Truth());
  options_.json = folder_ / "deep/er/scores.json";
  const ScoreReport report = Score().report;
  const auto json = nlohmann::ordered_json::parse(ReadBytes(options_.json));
  EXPECT_EQ(json, report.ToJson());
  EXPECT_EQ(json["mean_iou"], 1.0);
  EXPECT_EQ(folder_.Files("deep").size(), 1u);
}

TEST_F(EvalStepTest, TheNumberOfThreadsDecidesNothing) {
  for (int i = 0; i < 20; ++i)
    AddImage("image_" + std::to_string(i), MadeImage(kSide, kSide, [i](int y, int x) {
               return (x * y + i) % 5 == 4 ? 255 : (x * y + i) % 5;
             }));
  options_.json = folder_ / "scores.json";
  Score();
  const std::string one = ReadBytes(options_.json);
  for (const int threads : {2, 5}) {
    options_.items.threads = threads;
    Score();
    EXPECT_EQ(ReadBytes(options_.json), one);
  }
}

TEST_F(EvalStepTest, MinMiouIsInPercent) {
  AddImage("a", MadeImage(kSide, kSide, [](int, int x) { return x < 6 ? 0 : 3; }));
  const double percent = 100 * Score().report.mean_iou();
  EXPECT_FALSE(Score().below_min_miou);
  options_.min_miou = percent;
  EXPECT_FALSE(Score().below_min_miou);
  options_.min_miou = percent + 1e-6;
  EXPECT_TRUE(Score().below_min_miou);
}

TEST_F(EvalStepTest, OptionsAreDescribed) {
  EvalOptions options;
  OptionSet set;
  Describe(options, set);
  testing::CheckOptionSet(set);
}

TEST_F(EvalStepTest, TagsMayBeAnythingWhereMasksAreScored) {
  AddImage("a", Truth());
  folder_.Text("list.txt", "a no_class 99\n");
  EXPECT_EQ(Score().report.images.scored, 1u);
}

TEST_F(EvalStepTest, LeavesOutAndCountsWhereTold) {
  for (const char* id : {"a", "b", "c"}) AddImage(id, Truth());
  std::filesystem::remove(folder_ / "predictions/a.png");
  folder_.Mask("predictions/b.png", ImageU8(kSide, kSide, 1, 99));
  options_.items.on_error = "skip";
  LoggedContext context;
  const ScoreReport report = PrepareEval(options_, context).Run(context).report;
  EXPECT_EQ(report.images.scored, 1u);
  EXPECT_EQ(report.images.left_out, 2u);
  EXPECT_EQ(context.left_out(), 2);
  EXPECT_EQ(report.mean_iou(), 1.0);
}

TEST_F(EvalStepTest, RefusesWhatIsMissing) {
  AddImage("a", Truth());
  std::filesystem::remove(folder_ / "predictions/a.png");
  EXPECT_EQ(RefusalOf(), "predictions/a.png: prediction is missing");
  std::filesystem::remove(folder_ / "truth/a.png");
  EXPECT_EQ(RefusalOf(), "truth/a.png: true mask is missing");
  options_.truth = folder_ / "nowhere";
  EXPECT_EQ(RefusalOf(), "--truth nowhere: no such folder");
}

TEST_F(EvalStepTest, RefusesSizesThatDifferAndNamesBothFiles) {
  AddImage("a", ImageU8(kSide, kSide + 1, 1));
  EXPECT_EQ(RefusalOf(), "predictions/a.png: prediction is 9x8, its true mask truth/a.png is 8x8");
}

TEST_F(EvalStepTest, ScoresOneThingAtATime) {
  AddImage("a", Truth());
  options_.cams = folder_ / "predictions";
  EXPECT_THAT(RefusalOf(), HasSubstr("--predictions and --cams exclude each other"));
  options_.cams.clear();
  options_.predictions.clear();
  EXPECT_THAT(RefusalOf(), HasSubstr("give one of --predictions DIR (masks) and --cams DIR"));
}

TEST_F(EvalStepTest, ReadsImagesUpToTheSizeThatIsAllowed) {
  AddImage("a", Truth());
  options_.items.max_pixels = kSide * kSide;
  EXPECT_EQ(Score().report.images.scored, 1u);
  --options_.items.max_pixels;
  EXPECT_THAT(RefusalOf(), HasSubstr("truth/a.png: PNG of 8x8 pixels is too large"));
  SetMaxPixels(kDefaultMaxPixels);
  // How large images may be decides no score: records do not name it.
  EXPECT_EQ(SettingsOf(options_), SettingsOf(EvalOptions()));
}

TEST_F(EvalStepTest, RefusesAFolderAsJsonFile) {
  AddImage("a", Truth());
  options_.json = folder_ / "truth";
  Context context;
  EXPECT_EQ(ErrorOf([&] { PrepareEval(options_, context).Run(context); }, folder_),
            "--json truth: is a folder");
  EXPECT_FALSE(context.work_began());
}

}  // namespace
}  // namespace i2crc
