// SPDX-License-Identifier: Apache-2.0
#include "i2crc/labels/objects_first.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace i2crc {
namespace {

using ::testing::ElementsAre;
using ::testing::FloatNear;
using ::testing::Pointwise;

// Background, cat, dog at three pixels: an object of either, background, a dog.
const std::vector<float> kThree = {0.4F, 0.6F, 0.1F, 0.3F, 0.3F, 0.2F, 0.3F, 0.1F, 0.7F};
const std::vector<int> kCatAndDog = {1, 3};

TEST(DecideObjectsFirst, ClassesThatShareAPixelDoNotLeaveItToBackground) {
  EXPECT_THAT(DecideObjectsFirst(kThree, kCatAndDog, 1, 3, 0).values(), ElementsAre(2, 0, 4));
  EXPECT_THAT(DecideObjectsFirst(kThree, kCatAndDog, 1, 3, 0.5).values(), ElementsAre(255, 0, 4));
}

TEST(DecideObjectsFirst, IsTheArgMaxWithOneClassOrNone) {
  const std::vector<float> one = {0.5F, 0.6F, 0.4F, 0.5F, 0.4F, 0.6F};
  EXPECT_THAT(DecideObjectsFirst(one, std::vector{2}, 1, 3, 0).values(), ElementsAre(0, 0, 3));
  const std::vector<float> none = {1, 1};
  EXPECT_THAT(DecideObjectsFirst(none, {}, 1, 2, 0).values(), ElementsAre(0, 0));
}

TEST(ObjectsFirst, ObjectsAndOwnersAmountToWhatTheyCameFromWhereAnObjectIsSure) {
  EXPECT_THAT(ObjectOrNot(kThree, 3),
              Pointwise(FloatNear(1e-6), {0.4F, 0.6F, 0.1F, 0.6F, 0.4F, 0.9F}));
  const std::vector<float> sure = {0, 0.25F, 0.75F};
  EXPECT_THAT(OwnersOfObjects(sure, 1), Pointwise(FloatNear(1e-6), {0.25F, 0.75F}));
  EXPECT_THAT(ObjectTimesOwners(ObjectOrNot(sure, 1), OwnersOfObjects(sure, 1), 1),
              Pointwise(FloatNear(1e-6), sure));
  // Nothing is known of names where there is no object.
  const std::vector<float> background = {1, 0, 0};
  EXPECT_THAT(OwnersOfObjects(background, 1), Pointwise(FloatNear(1e-6), {0.5F, 0.5F}));
  // (0.2 / 0.7) to the power of 0.9
  EXPECT_NEAR(OwnersOfObjects(kThree, 3)[2], 0.2446F, 1e-4);
}

TEST(ObjectsFirst, SumToOne) {
  const std::vector<float> owners = OwnersOfObjects(kThree, 3);
  const std::vector<float> all = ObjectTimesOwners(ObjectOrNot(kThree, 3), owners, 3);
  for (size_t p = 0; p < 3; ++p) {
    EXPECT_NEAR(owners[p] + owners[3 + p], 1, 1e-6);
    EXPECT_NEAR(all[p] + all[3 + p] + all[6 + p], 1, 1e-6);
  }
}

}  // namespace
}  // namespace i2crc
