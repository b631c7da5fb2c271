// SPDX-License-Identifier: Apache-2.0
#include "i2crc/labels/evidence.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "i2crc/core/error.h"
#include "i2crc/labels/made_rows.h"

namespace i2crc {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::FloatNear;
using ::testing::HasSubstr;

// One pixel's probabilities.
std::vector<float> At(const std::vector<float>& probabilities, size_t pixels, size_t p) {
  std::vector<float> values;
  for (size_t i = p; i < probabilities.size(); i += pixels) values.push_back(probabilities[i]);
  return values;
}

TEST(ProbabilitiesOfTags, TheSalientObjectIsTheOnlyTag) {
  const ImageU8 saliency = Row({0, 51, 255});
  const auto p = ProbabilitiesOfTags({.saliency = &saliency, .height = 1, .width = 3}, kDog);
  EXPECT_THAT(At(p, 3, 0), ElementsAre(FloatNear(1, 2e-4F), FloatNear(0, 2e-4F)));
  EXPECT_THAT(At(p, 3, 1), ElementsAre(FloatNear(0.8F, 1e-6F), FloatNear(0.2F, 1e-6F)));
  EXPECT_THAT(At(p, 3, 2), ElementsAre(FloatNear(0, 2e-4F), FloatNear(1, 2e-4F)));
}

TEST(ProbabilitiesOfTags, AttentionDecidesWhoseTheObjectIs) {
  const ImageU8 saliency = Row({255, 0, 255});
  const std::vector<TagAttention> attention = {{1, Row({51, 0, 0})}, {3, Row({102, 255, 0})}};
  const auto p = ProbabilitiesOfTags(
      {.saliency = &saliency, .attention = attention, .height = 1, .width = 3}, kCatAndDog);
  EXPECT_THAT(At(p, 3, 0),
              ElementsAre(FloatNear(0, 2e-4F), FloatNear(0.2F, 2e-4F), FloatNear(0.8F, 2e-4F)));
  EXPECT_THAT(At(p, 3, 1),
              ElementsAre(FloatNear(1, 3e-4F), FloatNear(0, 2e-4F), FloatNear(0, 2e-4F)));
  // No attention anywhere: the tags share.
  EXPECT_THAT(At(p, 3, 2),
              ElementsAre(FloatNear(0, 2e-4F), FloatNear(0.5F, 2e-4F), FloatNear(0.5F, 2e-4F)));
}

TEST(ProbabilitiesOfTags, AttentionAloneIsTheObjectWhereThereIsNoSaliency) {
  const std::vector<TagAttention> attention = {{3, Row({0, 102, 255})}};
  const auto p = ProbabilitiesOfTags({.attention = attention, .height = 1, .width = 3}, kDog);
  EXPECT_THAT(At(p, 3, 1), ElementsAre(FloatNear(0.6F, 1e-6F), FloatNear(0.4F, 1e-6F)));
}

TEST(ProbabilitiesOfTags, WhatTheNetworkTakesForAnotherClassIsAnObjectOfTheTags) {
  // Background, classes 0 to 3.
  const std::vector<float> network = {0.2F, 0.5F, 0.1F, 0.1F, 0.1F};
  const auto p =
      ProbabilitiesOfTags({.network = network, .labels = 5, .height = 1, .width = 1}, kCatAndDog);
  EXPECT_THAT(p,
              ElementsAre(FloatNear(0.2F, 1e-6F), FloatNear(0.4F, 1e-6F), FloatNear(0.4F, 1e-6F)));
}

TEST(ProbabilitiesOfTags, NetworkAndSaliencyPoolTheirLogOdds) {
  const std::vector<float> network = {0.1F, 0.5F, 0.5F, 0.9F, 0.5F, 0.5F};  // object 0.9, 0.5, 0.5
  const ImageU8 saliency = Row({51, 51, 255});  // 0.2, 0.2, 0.98 at most
  constexpr std::array<int, 1> kOnly = {0};
  const auto p = ProbabilitiesOfTags(
      {.saliency = &saliency, .network = network, .labels = 2, .height = 1, .width = 3}, kOnly);
  // sqrt(9 / 4), sqrt(1 / 4), sqrt(49)
  EXPECT_THAT(At(p, 3, 0)[1], FloatNear(1.5F / 2.5F, 1e-5F));
  EXPECT_THAT(At(p, 3, 1)[1], FloatNear(0.5F / 1.5F, 1e-5F));
  EXPECT_THAT(At(p, 3, 2)[1], FloatNear(7.0F / 8.0F, 1e-5F));
  const auto network_alone = ProbabilitiesOfTags(
      {.saliency = &saliency, .network = network, .labels = 2, .height = 1, .width = 3}, kOnly,
      {.network_share = 1});
  EXPECT_THAT(At(network_alone, 3, 0)[1], FloatNear(0.9F, 1e-5F));
}

TEST(ProbabilitiesOfTags, WhereTheyDisagreeAboutThePhotographTheNetworkHasItsOtherShare) {
  constexpr std::array<int, 1> kOnly = {0};
  // The network sees an object in the left half, saliency in the right: nothing in common.
  const std::vector<float> network = {0.1F, 0.9F, 0.9F, 0.1F};
  const ImageU8 apart = Row({51, 204}), alike = Row({204, 51});
  const EvidenceOptions options{.network_share = 0.5, .network_share_apart = 0.75};
  const auto object = [&](const ImageU8& saliency) {
    const auto p = ProbabilitiesOfTags(
        {.saliency = &saliency, .network = network, .labels = 2, .height = 1, .width = 2}, kOnly,
        options);
    return std::vector<float>(p.begin() + 2, p.end());
  };
  // 9^0.75 · 4^−0.25 and its reverse; 9^0.5 · 4^0.5 and its reverse.
  EXPECT_THAT(object(apart),
              ElementsAre(FloatNear(3.6742F / 4.6742F, 1e-4F), FloatNear(1 / 4.6742F, 1e-4F)));
  EXPECT_THAT(object(alike),
              ElementsAre(FloatNear(6.0F / 7.0F, 1e-4F), FloatNear(1.0F / 7.0F, 1e-4F)));
}

TEST(ProbabilitiesOfTags, AttentionShiftsWhoseANetworkTakesTheObjectFor) {
  // Two pixels that are all object, of class 1 by 0.6 and of class 3 by 0.4.
  const std::vector<float> network = {0, 0, 0, 0, 0.6F, 0.6F, 0, 0, 0.4F, 0.4F};
  const std::vector<TagAttention> attention = {{1, Row({102, 0})}, {3, Row({0, 102})}};
  const auto p = ProbabilitiesOfTags(
      {.attention = attention, .network = network, .labels = 5, .height = 1, .width = 2},
      kCatAndDog);
  EXPECT_GT(At(p, 2, 0)[1], 0.9F);
  EXPECT_GT(At(p, 2, 1)[2], 0.9F);
}

TEST(ProbabilitiesOfTags, ATagThatTheNetworkHardlySeesIsStillLookedFor) {
  // All object: the network prefers class 1 everywhere, the second pixel least.
  const std::vector<float> network = {0,    0, 0, 0, 0,    0,    0.9F, 0.6F,
                                      0.9F, 0, 0, 0, 0.1F, 0.4F, 0.1F};
  const auto p =
      ProbabilitiesOfTags({.network = network, .labels = 5, .height = 1, .width = 3}, kCatAndDog);
  // Means 0.8 and 0.2: claims are divided by their roots, whose ratio is 2.
  EXPECT_THAT(At(p, 3, 0)[1], FloatNear(0.9F / 1.1F, 1e-3F));
  EXPECT_THAT(At(p, 3, 1)[1], FloatNear(0.6F / 1.4F, 2e-3F));
  const auto fully = ProbabilitiesOfTags({.network = network, .labels = 5, .height = 1, .width = 3},
                                         kCatAndDog, {.balance = 1});
  EXPECT_THAT(At(fully, 3, 0)[1], FloatNear(0.9F / 1.3F, 2e-3F));
  EXPECT_THAT(At(fully, 3, 1)[1], FloatNear(0.6F / 2.2F, 2e-3F));
}

TEST(ProbabilitiesOfTags, WithoutTagsAllIsBackground) {
  const ImageU8 saliency = Row({255, 0});
  EXPECT_THAT(ProbabilitiesOfTags({.saliency = &saliency, .height = 1, .width = 2}, {}),
              Each(1.0F));
}

TEST(ProbabilitiesOfTags, MapsOfAnotherSizeAreNamed) {
  const ImageU8 saliency = Row({255, 0});
  try {
    ProbabilitiesOfTags({.saliency = &saliency, .height = 1, .width = 3}, kDog);
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("the saliency map has 2x1 pixels, the photograph 3x1"));
  }
}

TEST(DecideLabels, TheLargestWinsAndTheDoubtfulIsIgnored) {
  const std::vector<float> p = {0.5F, 0.2F, 0.3F, 0.1F, 0.1F, 0.6F, 0.4F, 0.7F, 0.1F};
  EXPECT_THAT(DecideLabels(p, kCatAndDog, 1, 3, 0).values(), ElementsAre(0, 4, 2));
  EXPECT_THAT(DecideLabels(p, kCatAndDog, 1, 3, 0.7).values(), ElementsAre(255, 4, 255));
}

}  // namespace
}  // namespace i2crc
