// SPDX-License-Identifier: Apache-2.0
#include "i2crc/steps/choose_step.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

#include "i2crc/inputs/made_folder.h"
#include "i2crc/labels/label_rules.h"

namespace i2crc {
namespace {

using testing::ErrorOf;
using ::testing::HasSubstr;
using testing::LoggedContext;
using testing::MadeFolder;
using testing::MadeImage;
using testing::ReadBytes;

constexpr int kSide = 24;

// The object of every photograph: class 3 in the middle.
bool IsObject(int y, int x) { return y >= 6 && y < 18 && x >= 4 && x < 16; }
int Truth(int y, int x) { return IsObject(y, x) ? 4 : 0; }
// What a network that sees half of it makes of it.
int Half(int y, int x) { return IsObject(y, x) && x < 10 ? 4 : 0; }

class ChooseStepTest : public ::testing::Test {
 protected:
  ChooseStepTest() {
    options_.before = folder_ / "before";
    options_.after = folder_ / "after";
    options_.saliency = folder_ / "saliency";
    options_.network_before = options_.network_after = folder_ / "network";
    options_.cams = folder_ / "cams";
    options_.list = folder_ / "list.txt";
    options_.out = folder_ / "made";
    std::string list = "none\n";
    for (const char* id : {"a", "b", "c", "d", "e", "f"}) {
      list += std::string(id) + " 3\n";
      AddImage(id);
      folder_.Grey("cams/" + std::string(id) + "_3.png", Source(0.3));
    }
    AddImage("none");
    folder_.Text("list.txt", list);
  }

  void AddImage(const std::string& id) {
    folder_.Grey("saliency/" + id + ".png", Source(0.05));
    folder_.Grey("network/" + id + "_object.png", Source(0.1));
    folder_.Mask("before/" + id + ".png", MadeImage(kSide, kSide, Half));
    folder_.Mask("after/" + id + ".png", MadeImage(kSide, kSide, Truth));
  }
  // Wrong about that share of the pixels.
  ImageU8 Source(double share) {
    std::bernoulli_distribution is_wrong(share);
    return MadeImage(kSide, kSide,
                     [&](int y, int x) { return IsObject(y, x) != is_wrong(random_) ? 255 : 0; });
  }
  nlohmann::json Choice() const {
    return nlohmann::json::parse(ReadBytes(options_.out / "choice.json"));
  }

  MadeFolder folder_;
  ChooseOptions options_;
  std::mt19937 random_{7};
};

TEST_F(ChooseStepTest, KeepsTheRoundThatIsNearerToWhatTheSourcesSay) {
  LoggedContext context;
  ChooseResult result = PrepareChoose(options_, context).Run(context);
  EXPECT_TRUE(result.is_judged && result.is_after);
  EXPECT_GT(result.after, 0.8);
  EXPECT_NEAR(result.before, result.after / 2, 0.07);
  EXPECT_EQ(ReadMask(options_.out / "a.png"), MadeImage(kSide, kSide, Truth));
  EXPECT_EQ(Choice()["kept"], "after");
  std::swap(options_.before, options_.after);
  options_.out = folder_ / "swapped";
  result = PrepareChoose(options_, context).Run(context);
  EXPECT_FALSE(result.is_after);
  EXPECT_EQ(ReadMask(options_.out / "a.png"), MadeImage(kSide, kSide, Truth));
  EXPECT_EQ(Choice()["kept"], "before");
  LogChoice(options_, result, context);
  EXPECT_THAT(context.lines(), HasSubstr("choose: after kept; expected IoU of objects "));
}

TEST_F(ChooseStepTest, KeepsTheLaterRoundUnlessTheEarlierIsBetterByMoreThanTheMargin) {
  std::swap(options_.before, options_.after);
  LoggedContext context;
  const ChooseResult result = PrepareChoose(options_, context).Run(context);
  const double better = result.before - result.after;
  EXPECT_FALSE(result.is_after);
  options_.margin = better - 0.01;
  options_.out = folder_ / "just less";
  EXPECT_FALSE(PrepareChoose(options_, context).Run(context).is_after);
  options_.margin = better + 0.01;
  options_.out = folder_ / "just more";
  const ChooseResult kept = PrepareChoose(options_, context).Run(context);
  EXPECT_TRUE(kept.is_after);
  EXPECT_EQ(ReadMask(options_.out / "a.png"), MadeImage(kSide, kSide, Half));
  LogChoice(options_, kept, context);
  EXPECT_THAT(context.lines(),
              HasSubstr(fmt::format(
                  "choose: before kept; expected IoU of objects {:.1f} %, of after {:.1f} %",
                  100 * kept.after, 100 * kept.before)));
}

TEST_F(ChooseStepTest, KeepsTheLaterRoundWhereNothingTells) {
  options_.saliency = "none";
  options_.network_before = options_.network_after = options_.cams = folder_ / "nowhere";
  LoggedContext context;
  const ChooseResult result = PrepareChoose(options_, context).Run(context);
  EXPECT_TRUE(result.is_after && !result.is_judged);
  EXPECT_EQ(ReadMask(options_.out / "a.png"), MadeImage(kSide, kSide, Truth));
  EXPECT_THAT(Choice()["why"].get<std::string>(), HasSubstr("not judged"));
}

// Saliency that finds a large other thing around the objects: whatever it is expected to be worth,
// the earlier round is not kept for that.
TEST_F(ChooseStepTest, KeepsTheLaterRoundWhereTheSourcesSpeakOfDifferentThings) {
  std::swap(options_.before, options_.after);
  const auto corner = [](int y, int x) { return y < 8 && x < 8; };
  for (const char* id : {"a", "b", "c", "d", "e", "f"}) {
    const std::string name = id;
    folder_.Grey("saliency/" + name + ".png", MadeImage(kSide, kSide, [&](int y, int x) {
                   return y >= 12 || IsObject(y, x) ? 255 : 0;
                 }));
    folder_.Grey("network/" + name + "_object.png", MadeImage(kSide, kSide, [&](int y, int x) {
                   return x >= 14 || corner(y, x) ? 255 : 0;
                 }));
    folder_.Grey("cams/" + name + "_3.png", MadeImage(kSide, kSide, [&](int y, int x) {
                   return y < 12 && (x > 6 || corner(y, x)) ? 255 : 0;
                 }));
  }
  LoggedContext context;
  const ChooseResult result = PrepareChoose(options_, context).Run(context);
  EXPECT_LT(result.before, 0.5);
  EXPECT_GT(result.before, result.after);
  EXPECT_TRUE(result.is_judged && !result.do_agree && result.is_after);
  EXPECT_THAT(Choice()["why"].get<std::string>(), HasSubstr("agree on too little"));
  EXPECT_TRUE(Choice().contains("expected_iou"));
  LogChoice(options_, result, context);
  EXPECT_THAT(context.lines(), HasSubstr("choose: before kept, not judged: the sources agree on"));
}

TEST_F(ChooseStepTest, DecidesWhatTheKeptMasksIgnore) {
  const ImageU8 open =
      MadeImage(kSide, kSide, [](int y, int x) { return x < 10 ? 255 : Truth(y, x); });
  for (const char* id : {"a", "b", "c", "d", "e", "f"}) {
    folder_.Mask("before/" + std::string(id) + ".png", ImageU8(kSide, kSide, 1, 0));
    folder_.Mask("after/" + std::string(id) + ".png", open);
  }
  LoggedContext context;
  PrepareChoose(options_, context).Run(context);
  EXPECT_EQ(ReadMask(options_.out / "a.png"), open);
  options_.decide_ignored = true;
  options_.out = folder_ / "decided";
  PrepareChoose(options_, context).Run(context);
  const ImageU8 mask = ReadMask(options_.out / "a.png");
  int wrong = 0;
  for (int y = 0; y < kSide; ++y)
    for (int x = 0; x < kSide; ++x) {
      EXPECT_NE(mask.at(y, x), kIgnoreLabel);
      wrong += mask.at(y, x) != Truth(y, x) ? 1 : 0;
    }
  EXPECT_LT(wrong, kSide * kSide / 20);
}

TEST_F(ChooseStepTest, AnObjectOfAnyTagGoesToTheStrongestAttention) {
  const ImageU8 any =
      MadeImage(kSide, kSide, [](int y, int x) { return IsObject(y, x) ? kAnyTagLabel : 0; });
  folder_.Text("list.txt", "a 1 3\n");
  folder_.Mask("after/a.png", any);
  folder_.Grey("cams/a_1.png",
               MadeImage(kSide, kSide, [](int, int x) { return x < 10 ? 255 : 0; }));
  LoggedContext context;
  ASSERT_TRUE(PrepareChoose(options_, context).Run(context).is_after);
  EXPECT_EQ(ReadMask(options_.out / "a.png"), any);  // left open for a training
  options_.decide_ignored = true;
  options_.out = folder_ / "decided";
  PrepareChoose(options_, context).Run(context);
  const ImageU8 mask = ReadMask(options_.out / "a.png");
  for (int y = 6; y < 18; ++y)
    for (int x = 4; x < 16; ++x) EXPECT_TRUE(mask.at(y, x) == 4 || mask.at(y, x) == 2) << x;
  for (int y = 6; y < 18; ++y)
    for (int x = 4; x < 10; ++x) EXPECT_EQ(mask.at(y, x), 2);
  EXPECT_EQ(mask.at(0, 0), 0);
}

TEST_F(ChooseStepTest, SaysWhatIsMissingOrDoesNotFit) {
  LoggedContext context;
  folder_.Mask("before/b.png", ImageU8(kSide, kSide + 1, 1));
  EXPECT_THAT(ErrorOf([&] { PrepareChoose(options_, context).Run(context); }, folder_),
              HasSubstr("before/b.png: mask is 25x24"));
  std::filesystem::remove(folder_ / "network/a_object.png");
  EXPECT_THAT(ErrorOf([&] { PrepareChoose(options_, context).Run(context); }, folder_),
              HasSubstr("network/a_object.png: object map of the network is missing"));
  EXPECT_FALSE(context.work_began());
}

}  // namespace
}  // namespace i2crc
