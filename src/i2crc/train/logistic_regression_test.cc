// SPDX-License-Identifier: Apache-2.0
#include "i2crc/train/logistic_regression.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>

namespace i2crc {
namespace {

using ::testing::DoubleNear;

// Class 0 where the first feature is above 3, class 1 nowhere to be told from the features.
struct Problem {
  at::Tensor features, present;
};
Problem Make(int64_t samples) {
  auto generator = torch::make_generator<at::CPUGeneratorImpl>(7);
  Problem p;
  p.features = torch::randn({samples, 5}, generator) * 2 + 3;
  p.features.select(1, 4).fill_(1);  // never changes
  p.present = torch::zeros({samples, 3});
  p.present.select(1, 0).copy_((p.features.select(1, 0) > 3).to(torch::kFloat));
  p.present.select(1, 1).copy_((torch::rand({samples}, generator) < 0.3).to(torch::kFloat));
  return p;
}

TEST(LogisticRegression, FindsWhatTellsAClassAndTheFrequencyOfWhatNothingTells) {
  const Problem p = Make(400);
  const LogisticRegression layer = FitLogisticRegression(p.features, p.present, 1e-3);
  const at::Tensor logits = at::addmm(layer.bias, p.features, layer.weight.t());
  const at::Tensor right = (logits.select(1, 0) > 0).eq(p.present.select(1, 0) > 0.5);
  EXPECT_GT(right.to(torch::kFloat).mean().item<double>(), 0.97);
  // The optimum answers with the right frequency in the mean, class by class.
  const at::Tensor mean = logits.sigmoid().mean(0), frequency = p.present.mean(0);
  for (int64_t k = 0; k < 2; ++k)
    EXPECT_THAT(mean[k].item<double>(), DoubleNear(frequency[k].item<double>(), 2e-3));
  EXPECT_LT(mean[2].item<double>(), 0.01);
}

TEST(LogisticRegression, IsTheSameEveryTime) {
  const Problem p = Make(100);
  const LogisticRegression a = FitLogisticRegression(p.features, p.present, 1e-2);
  const LogisticRegression b = FitLogisticRegression(p.features, p.present, 1e-2);
  EXPECT_TRUE(torch::equal(a.weight, b.weight));
  EXPECT_TRUE(torch::equal(a.bias, b.bias));
}

TEST(ChoosePenalty, JudgesWhatIsUnseen) {
  const Problem p = Make(300);
  std::vector<int> fold;
  for (int i = 0; i < 300; ++i) fold.push_back(i % 5);
  const CrossValidation chosen = ChoosePenalty(p.features, p.present, fold, {1e-3, 1e3});
  EXPECT_EQ(chosen.penalty, 1e-3);
  EXPECT_LT(chosen.loss, chosen.loss_of_frequencies);
  EXPECT_GT(chosen.precision[0], 0.98);
  EXPECT_LT(chosen.precision[1], 0.5);
  EXPECT_TRUE(std::isnan(chosen.precision[2]));
  EXPECT_THAT(chosen.mean_precision,
              DoubleNear((chosen.precision[0] + chosen.precision[1]) / 2, 1e-12));
}

TEST(AveragePrecision, IsTheMeanOfThePrecisionsAtThePositives) {
  // Ranks 1 and 3: (1/1 + 2/3) / 2.
  EXPECT_THAT(AveragePrecision({0.9, 0.1, 0.5, 0.4}, {true, false, false, true}),
              DoubleNear(5.0 / 6.0, 1e-12));
  EXPECT_TRUE(std::isnan(AveragePrecision({1, 2}, {false, false})));
}

}  // namespace
}  // namespace i2crc
