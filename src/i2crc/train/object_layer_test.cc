// SPDX-License-Identifier: Apache-2.0
#include "i2crc/train/object_layer.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "i2crc/core/error.h"

namespace i2crc {
namespace {

constexpr int64_t kImages = 40, kPixels = 100;
// Of every tagged image: heads, which attention sees, and bodies, which it does not.
constexpr int64_t kHead = 8, kBody = 22;

// Feature 0 says animal, 1 head, 2 and 3 which of two tags, 4 and 5 nothing, 6 never changes. Every
// fifth image has no tag and no object.
FeaturePixels Animals() {
  auto generator = torch::make_generator<at::CPUGeneratorImpl>(3);
  FeaturePixels p;
  p.features = torch::randn({kImages * kPixels, 7}, generator) * 0.3;
  p.features.select(1, 6).fill_(2);
  p.attention = torch::rand({kImages * kPixels}, generator) * 0.1;
  p.tag = torch::zeros({kImages * kPixels}, torch::kLong);
  for (int64_t i = 0; i <= kImages; ++i) p.begin.push_back(i * kPixels);
  for (int64_t i = 0; i < kImages; ++i) {
    const bool tagged = i % 5 != 4;
    p.tagged.push_back(tagged);
    p.fold.push_back(static_cast<int>(i % 4));
    p.tag.narrow(0, i * kPixels, kPixels).fill_(i % 2);
    if (!tagged) {
      p.attention.narrow(0, i * kPixels, kPixels).zero_();
      continue;
    }
    const at::Tensor animal = p.features.narrow(0, i * kPixels, kHead + kBody);
    animal.select(1, 0) += 2;
    animal.select(1, 2 + i % 2) += 1;
    animal.narrow(0, 0, kHead).select(1, 1) += 1;
    p.attention.narrow(0, i * kPixels, kHead) += 0.9;
  }
  return p;
}

at::Tensor Scores(const ObjectLayer& layer, const FeaturePixels& p) {
  return at::mv(p.features.to(torch::kFloat), layer.weight) + layer.bias;
}

TEST(ObjectLearner, GrowsFromTheHeadsThatAttentionSeesToTheWholeAnimals) {
  const FeaturePixels p = Animals();
  const ObjectLayer layer = ObjectLearner(p).Fit(0.3);
  const at::Tensor score = Scores(layer, p);
  int64_t right = 0;
  for (int64_t i = 0; i < kImages; ++i)
    for (int64_t k = 0; k < kPixels; ++k) {
      const bool is_object = p.tagged[static_cast<size_t>(i)] && k < kHead + kBody;
      right += (score[i * kPixels + k].item<float>() > layer.edge) == is_object;
    }
  EXPECT_GT(static_cast<double>(right) / (kImages * kPixels), 0.98);
  EXPECT_LT(layer.background, layer.edge);
  EXPECT_LT(layer.edge, layer.object);
}

TEST(ObjectLearner, TakesTheShareThatItIsTold) {
  const FeaturePixels p = Animals();
  const ObjectLearner learner(p);
  for (const double share : {0.05, 0.2, 0.4}) {
    const ObjectLayer layer = learner.Fit(share);
    const at::Tensor score = Scores(layer, p);
    int64_t taken = 0, of = 0;
    for (int64_t i = 0; i < kImages; ++i) {
      if (!p.tagged[static_cast<size_t>(i)]) continue;
      taken += (score.narrow(0, i * kPixels, kPixels) > layer.edge).sum().item<int64_t>();
      of += kPixels;
    }
    EXPECT_NEAR(static_cast<double>(taken) / static_cast<double>(of), share, 0.005) << share;
  }
}

TEST(ObjectLearner, FindsTheTrueShare) {
  const ObjectLearner learner(Animals());
  for (const auto spread : {ObjectLearner::Spread::kFree, ObjectLearner::Spread::kEven}) {
    const double right = learner.Judge(0.3, spread).name;
    for (const double wrong : {0.02, 0.05, 0.1, 0.2, 0.4, 0.5})
      EXPECT_LT(learner.Judge(wrong, spread).name, right) << wrong;
    EXPECT_GT(right, 0.5);
    EXPECT_LE(right, 1);
  }
  int calls = 0;
  const ShareChoice choice = ChooseObjectShare(learner, [&] { ++calls; });
  EXPECT_EQ(choice.share, 0.3);
  EXPECT_GT(learner.Judge(0.3, ObjectLearner::Spread::kFree).object, 0.8);
  EXPECT_EQ(static_cast<size_t>(calls), choice.judged.size());
  EXPECT_FALSE(choice.judged.front().free.has_value());
}

// Free growth gives a small share to the tag that is easiest to see, and names it well.
TEST(ObjectLearner, IsNotMisledByATagThatStandsOut) {
  FeaturePixels p = Animals();
  for (int64_t i = 0; i < kImages; i += 2)
    if (p.tagged[static_cast<size_t>(i)]) {
      const at::Tensor animal = p.features.narrow(0, i * kPixels, kHead + kBody);
      animal.select(1, 0) += 1.5;
      animal.select(1, 2) += 4;
    }
  const ObjectLearner learner(p);
  EXPECT_GT(learner.Judge(0.15, ObjectLearner::Spread::kFree).name,
            learner.Judge(0.3, ObjectLearner::Spread::kFree).name);
  EXPECT_EQ(ChooseObjectShare(learner, [] {}).share, 0.3);
}

TEST(ObjectLearner, ExplainsNothingWhereNamesAreChance) {
  FeaturePixels p = Animals();
  auto generator = torch::make_generator<at::CPUGeneratorImpl>(5);
  p.features = torch::randn(p.features.sizes(), generator);
  EXPECT_LT(ObjectLearner(p).Judge(0.3, ObjectLearner::Spread::kEven).name, 0.02);
}

TEST(ObjectLearner, TakesHalfPrecisionAndIsTheSameEveryTime) {
  FeaturePixels p = Animals();
  const ObjectLayer exact = ObjectLearner(p).Fit(0.3);
  EXPECT_TRUE(torch::equal(ObjectLearner(p).Fit(0.3).weight, exact.weight));
  p.features = p.features.to(torch::kHalf);
  EXPECT_TRUE(torch::allclose(ObjectLearner(p).Fit(0.3).weight, exact.weight, 0.02, 0.01));
}

TEST(ObjectLearner, LearnsFromVeryFewPixels) {
  FeaturePixels p;
  p.features = torch::tensor({{1.0F, 0.0F}, {0.0F, 1.0F}, {1.0F, 0.1F}, {0.0F, 0.9F}});
  p.attention = torch::tensor({1.0F, 0.0F, 1.0F, 0.0F});
  p.tag = torch::zeros({4}, torch::kLong);
  p.begin = {0, 2, 4};
  p.tagged = {true, true};
  p.fold = {0, 1};
  const ObjectLearner learner(p);
  const ObjectLayer layer = learner.Fit(0.5);
  EXPECT_GT(Scores(layer, p)[0].item<float>(), layer.edge);
  EXPECT_LT(Scores(layer, p)[1].item<float>(), layer.edge);
  EXPECT_GT(learner.Judge(0.5, ObjectLearner::Spread::kFree).name, 0.9);
}

TEST(ObjectLearner, RefusesWhatTellsNothing) {
  FeaturePixels p = Animals();
  p.attention.zero_();
  EXPECT_THROW(ObjectLearner{p}, Error);
  p = Animals();
  p.tagged.assign(p.tagged.size(), false);
  EXPECT_THROW(ObjectLearner{p}, Error);
}

TEST(ObjectLayer, IsLinearOnEitherSideOfTheEdge) {
  ObjectLayer layer;
  layer.background = -1;
  layer.edge = 1;
  layer.object = 2;
  EXPECT_FLOAT_EQ(layer.Degree(-3), 0);
  EXPECT_FLOAT_EQ(layer.Degree(-1), 0);
  EXPECT_FLOAT_EQ(layer.Degree(0), 0.25F);
  EXPECT_FLOAT_EQ(layer.Degree(1), 0.5F);
  EXPECT_FLOAT_EQ(layer.Degree(1.5F), 0.75F);
  EXPECT_FLOAT_EQ(layer.Degree(2), 1);
  EXPECT_FLOAT_EQ(layer.Degree(9), 1);
}

}  // namespace
}  // namespace i2crc
