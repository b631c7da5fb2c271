// SPDX-License-Identifier: Apache-2.0
#include "i2crc/metrics/score_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "i2crc/core/error.h"

namespace i2crc {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const std::vector<std::string> kNames = {"cat", "diningtable", "dog"};

// Label 3 (dog) has no truth. As background the 40 ignored pixels of cats join the 800: 800/(900 +
// 840 - 800).
Confusion Example() {
  Confusion confusion(3);
  confusion.AddCount(0, 0, 800);
  confusion.AddCount(0, 1, 100);
  confusion.AddCount(1, 1, 60);
  confusion.AddCount(1, kIgnoreLabel, 40);
  confusion.AddCount(2, 3, 10);
  return confusion;
}

TEST(ScoreReport, JsonHoldsEveryScore) {
  const Confusion confusion = Example();
  const auto json =
      MakeScoreReport(confusion, kNames, {.scored = 7, .wholly_ignored = 2, .left_out = 1})
          .ToJson();
  EXPECT_EQ(json["mean_iou"], confusion.MeanIou());
  EXPECT_EQ(json["mean_iou_ignored_as_background"], confusion.MeanIou());
  EXPECT_EQ(json["mean_iou_ignored_left_out"], confusion.MeanIou(Confusion::Ignored::kLeftOut));
  EXPECT_NE(json["mean_iou_ignored_left_out"], json["mean_iou"]);
  EXPECT_EQ(json["pixel_accuracy"], confusion.PixelAccuracy());
  EXPECT_EQ(json["images"], 7);
  EXPECT_EQ(json["images_wholly_ignored"], 2);
  EXPECT_EQ(json["images_left_out"], 1);
  EXPECT_EQ(json["pixels"], 1010);
  EXPECT_DOUBLE_EQ(json["ignored_share"].get<double>(), 40.0 / 1010);
  ASSERT_EQ(json["classes"].size(), 4u);
  EXPECT_EQ(json["classes"][0]["name"], "background");
  EXPECT_EQ(json["classes"][1]["name"], "cat");
  EXPECT_EQ(json["classes"][1]["iou"], 60.0 / 200);
  EXPECT_EQ(json["classes"][1]["iou_ignored_left_out"], 60.0 / 160);
  EXPECT_EQ(json["classes"][1]["truth_pixels"], 100);
  EXPECT_EQ(json["classes"][2]["iou"], 0.0);
  EXPECT_TRUE(json["classes"][3]["iou"].is_null());
  EXPECT_FALSE(json.contains("curve"));
  EXPECT_FALSE(json.contains("best_threshold"));
}

TEST(ScoreReport, JsonIsTheSameBytesEveryTime) {
  const auto dump = [] { return MakeScoreReport(Example(), kNames, {}).ToJson().dump(2); };
  EXPECT_EQ(dump(), dump());
  EXPECT_TRUE(dump().starts_with("{\n  \"mean_iou\": "));
  // Numbers come back exactly.
  EXPECT_EQ(nlohmann::json::parse(dump())["mean_iou"].get<double>(), Example().MeanIou());
}

TEST(ScoreReport, CurveOfAttentionMaps) {
  ThresholdCurve curve(3);
  ImageU8 value(1, 3, 1), label(1, 3, 1, 2), truth(1, 3, 1);
  value.values() = {200, 90, 0};
  truth.values() = {2, 0, 0};
  curve.Add(value, label, truth);
  const ScoreReport report = MakeScoreReport(curve, kNames, {.scored = 1});
  ASSERT_EQ(report.curve.size(), 99u);
  const auto json = report.ToJson();
  EXPECT_EQ(json["best_threshold"], 0.36);  // 90/255 = 0.353 is not above it
  EXPECT_EQ(json["mean_iou"], 1.0);
  ASSERT_EQ(json["curve"].size(), 99u);
  EXPECT_EQ(json["curve"][0]["threshold"], 0.01);
  EXPECT_EQ(json["curve"][98]["threshold"], 0.99);
  EXPECT_EQ(json["curve"][98]["mean_iou"], curve.At(99).MeanIou());
  EXPECT_EQ(json["curve"][35]["mean_iou"], 1.0);
  EXPECT_THAT(report.ToText(), HasSubstr("mIoU 100.00 % at threshold 0.36\n"));
}

TEST(ScoreReport, TableForPeople) {
  EXPECT_EQ(MakeScoreReport(Example(), kNames, {.scored = 7, .wholly_ignored = 2}).ToText(),
            "class         IoU %  truth pixels\n"
            "background    85.11           900\n"
            "cat           30.00           100\n"
            "diningtable    0.00            10\n"
            "dog               -             0\n"
            "7 images, pixel accuracy 85.15 %\n"
            "ignored 3.96 % of the pixels (2 images wholly): mIoU 42.13 % without them, 38.37 % as "
            "background\n"
            "mIoU 38.37 %\n");
}

TEST(ScoreReport, TableSaysNothingOfIgnoredPixelsWhereThereAreNone) {
  Confusion confusion(3);
  confusion.AddCount(0, 0, 1);
  const std::string text =
      MakeScoreReport(confusion, kNames, {.scored = 1, .left_out = 4}).ToText();
  EXPECT_THAT(text, Not(HasSubstr("ignored")));
  EXPECT_THAT(text, HasSubstr("4 images left out\n"));
}

TEST(ScoreReport, ColumnsStandStraightWhateverTheNames) {
  // Letters of two bytes, and signs as wide as two letters.
  const std::vector<std::string> names = {"kühlschrank", "猫", "a_rather_long_class_name"};
  std::istringstream lines(MakeScoreReport(Example(), names, {}).ToText());
  std::string head, line;
  std::getline(lines, head);
  for (int row = 0; row < 4; ++row) {
    std::getline(lines, line);
    // "kühlschrank" has one byte more than it has columns, "猫" too (three bytes, two columns).
    const size_t extra = row == 1 || row == 2 ? 1 : 0;
    EXPECT_EQ(line.size(), head.size() + extra) << line;
  }
}

TEST(ScoreReport, AsManyNamesAsClasses) {
  const std::vector<std::string> names = {"cat"};
  EXPECT_THROW(MakeScoreReport(Confusion(2), names, {}), InternalError);
}

}  // namespace
}  // namespace i2crc
