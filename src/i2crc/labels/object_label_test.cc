// SPDX-License-Identifier: Apache-2.0
#include "i2crc/labels/object_label.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

#include "i2crc/core/error.h"
#include "i2crc/labels/made_rows.h"

namespace i2crc {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(ObjectLabel, WhatStandsOutIsTheOnlyTagWhateverAttentionSays) {
  const ImageU8 object = Row({0, 26, 27, 178, 179, 255});
  const std::vector<TagAttention> maps = {{3, Row({0, 0, 255, 255, 0, 255})}};
  for (const Contested contested : {Contested::kStrongest, Contested::kAnyTag})
    EXPECT_THAT(ObjectLabel(object, maps, kDog, contested).values(),
                ElementsAre(0, 0, 255, 255, 4, 4));
}

TEST(ObjectLabel, BackgroundUnderAttentionIsIgnored) {
  const std::vector<TagAttention> maps = {{3, Row({128, 129})}};
  EXPECT_THAT(ObjectLabel(Row({0, 26}), maps, kDog, Contested::kStrongest).values(),
              ElementsAre(0, 255));
}

TEST(ObjectLabel, OfSeveralTagsTheStrongestOwnsOrIsLeftOpen) {
  const ImageU8 object = Row({255, 255, 255, 255});
  const std::vector<TagAttention> maps = {{1, Row({200, 128, 129, 9})}, {3, Row({50, 50, 51, 9})}};
  EXPECT_THAT(ObjectLabel(object, maps, kCatAndDog, Contested::kStrongest).values(),
              ElementsAre(2, 2, 2, 2));
  EXPECT_THAT(ObjectLabel(object, maps, kCatAndDog, Contested::kAnyTag).values(),
              ElementsAre(2, kAnyTagLabel, kAnyTagLabel, kAnyTagLabel));
}

TEST(ObjectLabel, WithoutTagsAllIsBackground) {
  EXPECT_THAT(ObjectLabel(Row({0, 100, 255}), {}, {}, Contested::kAnyTag).values(), Each(0));
}

TEST(ObjectLabel, TagsWithoutMapsShareOrTheFirstOwnsAll) {
  const ImageU8 object = Row({255, 0});
  EXPECT_THAT(ObjectLabel(object, {}, kCatAndDog, Contested::kStrongest).values(),
              ElementsAre(2, 0));
  EXPECT_THAT(ObjectLabel(object, {}, kCatAndDog, Contested::kAnyTag).values(),
              ElementsAre(kAnyTagLabel, 0));
}

TEST(ObjectLabel, MapsOfAnotherSizeAreNamed) {
  const std::vector<TagAttention> maps = {{3, Row({0, 1, 2})}};
  try {
    ObjectLabel(Row({0, 1}), maps, kDog, Contested::kStrongest);
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(),
                HasSubstr("the attention map of tag 3 has 3x1 pixels, the object map 2x1"));
  }
}

}  // namespace
}  // namespace i2crc
