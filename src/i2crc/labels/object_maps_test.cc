// SPDX-License-Identifier: Apache-2.0
#include "i2crc/labels/object_maps.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace i2crc {
namespace {

ImageU8 Values(std::initializer_list<uint8_t> values) {
  ImageU8 map(1, static_cast<int>(values.size()), 1);
  std::copy(values.begin(), values.end(), map.data());
  return map;
}

TEST(PoolObjectMaps, AddsWhatBothKnow) {
  // 0.8 and 0.8: odds of 4 · 4 = 16, 16 / 17 = 0.941. 0.2 and 0.4: 1 / 4 · 2 / 3 = 1 / 6, 1 / 7.
  EXPECT_EQ(PoolObjectMaps(Values({204, 51}), Values({204, 102})), Values({240, 36}));
}

TEST(PoolObjectMaps, ContradictionsAreDoubtful) {
  EXPECT_EQ(PoolObjectMaps(Values({255, 0, 230}), Values({0, 255, 25})), Values({128, 128, 128}));
}

TEST(PoolObjectMaps, OneWithoutAnOpinionLeavesTheOther) {
  for (int value = 6; value <= 249; ++value)  // beyond, odds are clipped
    EXPECT_NEAR(PoolObjectMaps(Values({128}), Values({static_cast<uint8_t>(value)})).data()[0],
                value, 1);
}

TEST(PoolObjectMaps, ADenialCountsAsMuchAsItsRight) {
  const Denials half{.a = 0.5, .b = 1};
  // Odds of 49 against 1 to 49, to the power of a half or whole.
  EXPECT_EQ(PoolObjectMaps(Values({0, 255}), Values({255, 0}), half), Values({223, 128}));
  EXPECT_EQ(PoolObjectMaps(Values({204}), Values({204}), half), Values({240}));
  // An eighth of the odds, 0.5 to the power of 0 and 1.
  EXPECT_EQ(PoolObjectMaps(Values({85}), Values({51}), {.a = 0, .b = 1}), Values({51}));
}

TEST(SeenOfTags, IsTheMeanOverPhotographsWhereAttentionIsSure) {
  SeenOfTags seen(3);
  EXPECT_EQ(seen.Of(1), 0.5);
  const std::vector<float> attention = {0.9F, 0.71F, 0.69F, 1.0F};
  const std::vector<int64_t> tag = {1, 1, 1, 2};
  seen.Add(std::vector<float>{1, 0.5F, 0, 0}, attention, tag);
  EXPECT_DOUBLE_EQ(seen.Of(0), 0.5);
  EXPECT_DOUBLE_EQ(seen.Of(1), (0.75 + 1) / 3);
  EXPECT_DOUBLE_EQ(seen.Of(2), 1.0 / 3);
  // Of another photograph, with other pixels, its mean counts the same.
  seen.Add(std::vector<float>{1}, std::vector<float>{1}, std::vector<int64_t>{1});
  EXPECT_DOUBLE_EQ(seen.Of(1), (0.75 + 1 + 1) / 4);
  EXPECT_THROW(seen.Add(std::vector<float>{1}, attention, tag), Error);
}

TEST(DenialsOf, AreThoseOfTheTagThatIsSeenLeast) {
  SeenOfTags a(2), b(2);
  const auto add = [](SeenOfTags& source, int64_t tag, float share) {
    // 98 photographs and the two that are added make a hundred.
    for (int i = 0; i < 98; ++i)
      source.Add(std::vector<float>{share}, std::vector<float>{1}, std::vector<int64_t>{tag});
  };
  add(a, 0, 1);
  add(b, 0, 1);
  add(a, 1, 0.25F);
  add(b, 1, 0.75F);
  const std::vector<int> first = {0}, both = {0, 1};
  EXPECT_EQ(DenialsOf(a, b, first).a, 1);
  EXPECT_EQ(DenialsOf(a, b, first).b, 1);
  const Denials denials = DenialsOf(a, b, both);
  EXPECT_EQ(denials.b, 1);
  EXPECT_NEAR(denials.a, std::log(1 - 0.255) / std::log(1 - 0.745), 1e-6);
  EXPECT_EQ(DenialsOf(b, a, both).b, denials.a);
  EXPECT_EQ(DenialsOf(a, b, {}).a, 1);
}

TEST(PoolObjectMaps, DoesNotCareWhichComesFirst) {
  for (int a = 0; a < 256; a += 5)
    for (int b = 0; b < 256; b += 3) {
      const ImageU8 x = Values({static_cast<uint8_t>(a)}), y = Values({static_cast<uint8_t>(b)});
      EXPECT_EQ(PoolObjectMaps(x, y), PoolObjectMaps(y, x));
    }
}

TEST(PoolObjectMaps, RefusesMapsOfOtherSizes) {
  EXPECT_THROW(PoolObjectMaps(ImageU8(2, 3, 1), ImageU8(3, 2, 1)), Error);
  EXPECT_THROW(PoolObjectMaps(ImageU8(2, 3, 1), ImageU8(2, 3, 3)), Error);
}

}  // namespace
}  // namespace i2crc
