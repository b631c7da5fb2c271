// SPDX-License-Identifier: Apache-2.0
#include "i2crc/labels/label_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <limits>

#include "i2crc/core/error.h"
#include "i2crc/core/random.h"
#include "i2crc/labels/made_rows.h"

namespace i2crc {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Values as real maps have them, with the thresholds' neighbourhoods and both ends more often than
// elsewhere.
ImageU8 RandomMap(Random& random, int height, int width) {
  static constexpr std::array<uint8_t, 16> kNotable = {0,   1,   25,  26,  31,  32,  76,  77,
                                                       127, 128, 178, 179, 229, 230, 254, 255};
  ImageU8 map(height, width, 1);
  const int64_t range = 1 + random.Below(256);
  for (uint8_t& value : map.values())
    value = random.Below(2) == 0 ? kNotable[static_cast<size_t>(random.Below(16))]
                                 : static_cast<uint8_t>(random.Below(range));
  return map;
}

std::vector<int> RandomTags(Random& random, int classes, int64_t most) {
  std::vector<int> tags;
  for (int64_t k = random.Below(most + 1); k > 0; --k)
    tags.push_back(static_cast<int>(random.Below(classes)));
  std::sort(tags.begin(), tags.end());
  tags.erase(std::unique(tags.begin(), tags.end()), tags.end());
  return tags;
}

double ForegroundShare(const ImageU8& mask) {
  double count = 0;
  for (uint8_t v : mask.values()) count += v != 0 && v != 255 ? 1 : 0;
  return count / static_cast<double>(mask.pixels());
}

// Stage 3 word by word: all C + 1 planes, one rule after the other.
ImageU8 LiteralInitialLabel(const ImageU8& saliency, const std::vector<TagAttention>& maps,
                            int classes, const LabelRuleOptions& options) {
  const size_t pixels = saliency.pixels();
  std::vector<std::vector<float>> g(static_cast<size_t>(classes) + 1,
                                    std::vector<float>(pixels, 0.0F));
  std::vector<int> t(saliency.values().begin(), saliency.values().end());
  for (size_t i = 0; i < pixels; ++i) {
    const float quotient = static_cast<float>(saliency.values()[i]) / 255.0F;
    g[0][i] = 1.0F - quotient;
  }
  for (const auto& [tag, map] : maps) {
    const float min = *std::min_element(map.values().begin(), map.values().end());
    const float max = *std::max_element(map.values().begin(), map.values().end());
    const float range = max - min;
    const float divisor = range + 1e-8F;
    for (size_t i = 0; i < pixels; ++i) {
      const float above_min = static_cast<float>(map.values()[i]) - min;
      const float value = above_min / divisor;
      g[static_cast<size_t>(tag) + 1][i] = value;
      if (value > options.attention_certain) t[i] = 255;
    }
  }
  ImageU8 mask(saliency.height(), saliency.width(), 1);
  for (size_t i = 0; i < pixels; ++i) {
    for (auto& plane : g)
      if (plane[i] < options.object_floor) plane[i] = 0;
    size_t label = 0;
    int conflicting = 0;
    for (size_t k = 0; k < g.size(); ++k) {
      if (g[k][i] > g[label][i]) label = k;
      if (g[k][i] > options.conflict) ++conflicting;
    }
    if (conflicting > 1) label = 255;
    if (label == 0 && t[i] >= options.doubt) label = 255;
    mask.values()[i] = static_cast<uint8_t>(label);
  }
  if (ForegroundShare(mask) < options.min_foreground)
    std::fill(mask.values().begin(), mask.values().end(), uint8_t{255});
  return mask;
}

// Stage 5 word by word.
ImageU8 LiteralRefinedLabel(const ImageU8& prediction, const ImageU8& initial,
                            const std::vector<int>& tags, double min_foreground) {
  ImageU8 mask = prediction;
  const auto is_tag = [&](int label) {
    return std::find(tags.begin(), tags.end(), label - 1) != tags.end();
  };
  for (uint8_t& v : mask.values())
    if (v != 0 && v != 255 && !is_tag(v)) v = 255;
  if (tags.size() > 1)
    for (size_t i = 0; i < mask.pixels(); ++i)
      if (prediction.values()[i] == 0 && initial.values()[i] != 0)
        mask.values()[i] = initial.values()[i];
  bool lost = false;
  for (int tag : tags)
    lost |= std::find(mask.values().begin(), mask.values().end(), tag + 1) == mask.values().end();
  for (uint8_t& v : mask.values())
    if (lost && v == 0) v = 255;
  if (ForegroundShare(mask) < min_foreground)
    std::fill(mask.values().begin(), mask.values().end(), uint8_t{255});
  return mask;
}

std::string MessageOf(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(AttentionFromScores, NegativeIsZeroTheMaximum255TheRestTruncated) {
  // 0.999·255 = 254.7 is 254, not 255.
  const std::vector<float> scores = {-3.0F, 0.0F, 2.0F, 1.998F, 1.0F, 1e-3F};
  EXPECT_THAT(AttentionFromScores(scores, 2, 3).values(), ElementsAre(0, 0, 255, 254, 127, 0));
}

TEST(AttentionFromScores, WithoutAPositiveScoreTheMapIsBlank) {
  EXPECT_THAT(AttentionFromScores(std::vector<float>{-1, -2, 0, -0.0F}, 2, 2).values(), Each(0));
}

TEST(AttentionFromScores, MaximumBelowTheTinyTermStaysBelow255) {
  // 1e-8/(1e-8 + 1e-8)·255 = 127.5
  EXPECT_THAT(AttentionFromScores(std::vector<float>{1e-8F, 0}, 1, 2).values(),
              ElementsAre(127, 0));
}

TEST(AttentionFromScores, EveryMaximumGives255) {
  Random random({11});
  for (int i = 0; i < 20000; ++i) {
    const float max = static_cast<float>(random.Uniform(0.5, 1000));
    ASSERT_EQ(AttentionFromScores(std::vector<float>{max, max / 2}, 1, 2).at(0, 0), 255) << max;
  }
}

TEST(AttentionFromScores, ScoresThatAreNotFiniteAreAnError) {
  for (float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                    -std::numeric_limits<float>::infinity()})
    EXPECT_THAT(MessageOf([&] {
                  AttentionFromScores(std::vector<float>{1, bad}, 1, 2);
                }),
                HasSubstr("an attention score is"));
}

TEST(InitialLabel, SameAsTheRulesWordByWord) {
  Random random({21});
  const LabelRuleOptions authors;
  for (int round = 0; round < 3000; ++round) {
    const int height = 1 + static_cast<int>(random.Below(9));
    const int width = 1 + static_cast<int>(random.Below(13));
    const int classes = 2 + static_cast<int>(random.Below(253));
    LabelRuleOptions options = authors;
    if (round % 3 == 0) {
      // Any order of the thresholds among each other.
      options.object_floor = static_cast<float>(random.Uniform());
      options.attention_certain = static_cast<float>(random.Uniform());
      options.conflict = static_cast<float>(random.Uniform());
      options.doubt = static_cast<int>(random.Below(256));
      options.min_foreground = random.Uniform();
    }
    const ImageU8 saliency = RandomMap(random, height, width);
    std::vector<TagAttention> maps;
    for (int tag : RandomTags(random, classes, 4))
      maps.push_back({tag, RandomMap(random, height, width)});
    ASSERT_EQ(InitialLabel(saliency, maps, options),
              LiteralInitialLabel(saliency, maps, classes, options))
        << "round " << round;
  }
}

TEST(InitialLabel, AsManyTagsAsThereCanBe) {
  Random random({22});
  std::vector<TagAttention> maps;
  for (int tag = 0; tag < kMaxClasses; ++tag) maps.push_back({tag, RandomMap(random, 6, 5)});
  // 254 is the last class's label, and no count of conflicts runs over.
  EXPECT_EQ(InitialLabel(RandomMap(random, 6, 5), maps),
            InitialLabel(RandomMap(random, 6, 5), maps));
  for (TagAttention& tag : maps) tag.map = Row({0, 255});
  EXPECT_THAT(InitialLabel(Row({0, 0}), maps).values(), Each(255));
  const std::vector<TagAttention> last = {{253, Row({0, 255})}};
  EXPECT_THAT(InitialLabel(Row({0, 255}), last).values(), ElementsAre(0, 254));
}

TEST(InitialLabel, OnATieTheFirstPlaneWins) {
  LabelRuleOptions options;
  options.conflict = 1.0F;  // nothing is above it
  const std::vector<TagAttention> maps = {{3, Row({0, 255, 255})}, {7, Row({0, 255, 200})}};
  EXPECT_THAT(InitialLabel(Row({0, 255, 255}), maps, options).values(), ElementsAre(0, 4, 4));
  // Background 1 − 0/255 = 1 against a tag's 1, in doubt because the tag is certain.
  EXPECT_THAT(InitialLabel(Row({0, 0, 255}), maps, options).values(), ElementsAre(0, 255, 4));
}

TEST(InitialLabel, AMapThatIsZeroEverywhereChangesNothing) {
  Random random({23});
  for (int round = 0; round < 300; ++round) {
    const ImageU8 saliency = RandomMap(random, 7, 5);
    std::vector<TagAttention> maps;
    for (int tag : RandomTags(random, 20, 3)) maps.push_back({tag, RandomMap(random, 7, 5)});
    const ImageU8 before = InitialLabel(saliency, maps);
    maps.push_back({30, ImageU8(7, 5, 1, 0)});
    ASSERT_EQ(InitialLabel(saliency, maps), before);
    // So does one without any contrast: it says nothing about where.
    maps.back().map = ImageU8(7, 5, 1, 255);
    ASSERT_EQ(InitialLabel(saliency, maps), before);
  }
}

TEST(InitialLabel, PixelsDependOnTheirOwnValuesAlone) {
  Random random({24});
  LabelRuleOptions options;
  options.min_foreground = 0;
  for (int round = 0; round < 200; ++round) {
    ImageU8 saliency = RandomMap(random, 1, 40);
    std::vector<TagAttention> maps = {{2, RandomMap(random, 1, 40)}, {9, RandomMap(random, 1, 40)}};
    ImageU8 label = InitialLabel(saliency, maps, options);
    for (ImageU8* image : {&saliency, &maps[0].map, &maps[1].map, &label})
      std::reverse(image->values().begin(), image->values().end());
    ASSERT_EQ(InitialLabel(saliency, maps, options), label);
  }
}

TEST(InitialLabel, ShareOfForegroundIsCountedExactly) {
  // k of 100·k pixels are exactly 1 %, whatever k; one less is under it.
  for (int k = 1; k <= 40; ++k) {
    ImageU8 map(k, 100, 1), saliency(k, 100, 1);
    for (int y = 0; y < k; ++y) map.at(y, 0) = saliency.at(y, 0) = 255;
    const std::vector<TagAttention> maps = {{0, map}};
    EXPECT_EQ(InitialLabel(saliency, maps).at(0, 0), 1) << k;
    ImageU8 less = map;
    less.at(k - 1, 0) = 0;
    const std::vector<TagAttention> fewer = {{0, less}};
    saliency.at(k - 1, 0) = 0;
    EXPECT_THAT(InitialLabel(saliency, fewer).values(), Each(255)) << k;
  }
}

TEST(InitialLabel, SizesThatDifferNameTheTag) {
  const std::vector<TagAttention> maps = {{2, ImageU8(4, 6, 1)}, {5, ImageU8(6, 4, 1)}};
  EXPECT_EQ(MessageOf([&] { InitialLabel(ImageU8(4, 6, 1), maps); }),
            "the attention map of tag 5 has 4x6 pixels, the saliency map 6x4");
  EXPECT_THAT(MessageOf([&] { InitialLabel(ImageU8(4, 6, 3), maps); }), HasSubstr("one channel"));
}

TEST(InitialLabel, TagsOutOfOrderAreOurBug) {
  const std::vector<TagAttention> maps = {{5, ImageU8(1, 1, 1)}, {2, ImageU8(1, 1, 1)}};
  EXPECT_THROW(InitialLabel(ImageU8(1, 1, 1), maps), InternalError);
}

TEST(RefineLabel, SameAsTheRulesWordByWord) {
  Random random({31});
  for (int round = 0; round < 5000; ++round) {
    const int classes = 2 + static_cast<int>(random.Below(5));
    const std::vector<int> tags = RandomTags(random, classes, 3);
    ImageU8 prediction(3, 1 + static_cast<int>(random.Below(60)), 1);
    ImageU8 initial = prediction;
    const int64_t spread = 1 + random.Below(classes + 1);
    for (uint8_t& v : prediction.values()) v = static_cast<uint8_t>(random.Below(spread));
    for (uint8_t& v : initial.values())
      v = random.Below(3) == 0 ? 255 : static_cast<uint8_t>(random.Below(spread));
    const double share = random.Below(2) == 0 ? 0.01 : random.Uniform();
    ASSERT_EQ(RefineLabel(prediction, initial, tags, share),
              LiteralRefinedLabel(prediction, initial, tags, share))
        << "round " << round;
  }
}

// A prediction and an initial label that holds its image's tags only, as InitialLabel makes it.
struct RefineCase {
  std::vector<int> tags;
  ImageU8 prediction{5, 40, 1};
  ImageU8 initial{5, 40, 1};
};

RefineCase RandomCase(Random& random) {
  RefineCase c;
  c.tags = RandomTags(random, 6, 3);
  for (uint8_t& v : c.prediction.values()) v = static_cast<uint8_t>(random.Below(7));
  for (uint8_t& v : c.initial.values()) {
    const size_t pick = static_cast<size_t>(random.Below(static_cast<int64_t>(c.tags.size()) + 2));
    v = pick == 0 ? 0 : pick == 1 ? 255 : static_cast<uint8_t>(c.tags[pick - 2] + 1);
  }
  return c;
}

TEST(RefineLabel, ItsOwnResultStaysAsItIs) {
  Random random({32});
  for (int round = 0; round < 1000; ++round) {
    const RefineCase c = RandomCase(random);
    const ImageU8 once = RefineLabel(c.prediction, c.initial, c.tags);
    ASSERT_EQ(RefineLabel(once, c.initial, c.tags), once) << "round " << round;
  }
}

TEST(RefineLabel, HoldsTagsBackgroundAndIgnoredOnlyWhateverTheirOrder) {
  Random random({33});
  for (int round = 0; round < 1000; ++round) {
    RefineCase c = RandomCase(random);
    const ImageU8 refined = RefineLabel(c.prediction, c.initial, c.tags);
    for (uint8_t v : refined.values())
      ASSERT_TRUE(v == 0 || v == 255 ||
                  std::find(c.tags.begin(), c.tags.end(), v - 1) != c.tags.end());
    std::reverse(c.tags.begin(), c.tags.end());
    ASSERT_EQ(RefineLabel(c.prediction, c.initial, c.tags), refined);
  }
}

TEST(RefineLabel, WithOneTagTheInitialLabelIsNotLookedAt) {
  Random random({34});
  const std::vector<int> tags = {2};
  for (int round = 0; round < 300; ++round) {
    const RefineCase a = RandomCase(random), b = RandomCase(random);
    ASSERT_EQ(RefineLabel(a.prediction, a.initial, tags),
              RefineLabel(a.prediction, b.initial, tags));
  }
}

TEST(RefineLabel, SizesThatDifferAreAnError) {
  EXPECT_EQ(MessageOf([] { RefineLabel(ImageU8(2, 3, 1), ImageU8(3, 3, 1), {}); }),
            "the prediction has 3x2 pixels, the initial label 3x3");
}

}  // namespace
}  // namespace i2crc
