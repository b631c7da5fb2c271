// SPDX-License-Identifier: Apache-2.0
#include "i2crc/train/sgd.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <limits>

namespace i2crc {
namespace {

class SgdAgainstTorch : public ::testing::TestWithParam<bool> {};

TEST_P(SgdAgainstTorch, TenStepsGiveTheSameParameters) {
  const bool nesterov = GetParam();
  torch::manual_seed(1);
  // A channels-last weight whose gradient comes row-major, and a plain bias.
  at::Tensor ours = torch::randn({4, 3, 3, 3}).contiguous(at::MemoryFormat::ChannelsLast);
  at::Tensor bias = torch::randn({4});
  at::Tensor theirs = ours.clone().set_requires_grad(true);
  at::Tensor their_bias = bias.clone().set_requires_grad(true);
  ours.set_requires_grad(true);
  bias.set_requires_grad(true);

  Sgd sgd({{"weight", ours, false, false}, {"bias", bias, false, true}},
          {.momentum = 0.9, .nesterov = nesterov, .weight_decay = 5e-4},
          [](const NamedParameter& p) { return p.is_bias ? 2.0 : 1.0; });
  auto options = [&](double rate) {
    return std::make_unique<torch::optim::SGDOptions>(
        torch::optim::SGDOptions(rate).momentum(0.9).nesterov(nesterov).weight_decay(5e-4));
  };
  std::vector<torch::optim::OptimizerParamGroup> groups;
  groups.emplace_back(std::vector<at::Tensor>{theirs}, options(0.05));
  groups.emplace_back(std::vector<at::Tensor>{their_bias}, options(0.1));
  torch::optim::SGD reference(std::move(groups), torch::optim::SGDOptions(0.05));

  for (int step = 0; step < 10; ++step) {
    const at::Tensor g = torch::randn({4, 3, 3, 3}), h = torch::randn({4});
    sgd.ZeroGradients();
    ours.mutable_grad() = g.clone();
    bias.mutable_grad() = h.clone();
    theirs.mutable_grad() = g.clone();
    their_bias.mutable_grad() = h.clone();
    sgd.Step(0.05);
    reference.step();
  }
  EXPECT_LT((ours - theirs).abs().max().item<double>(), 1e-5);
  EXPECT_LT((bias - their_bias).abs().max().item<double>(), 1e-5);
}

INSTANTIATE_TEST_SUITE_P(Both, SgdAgainstTorch, ::testing::Bool());

TEST(Sgd, FindsAGradientThatIsNotFiniteWhereverItStands) {
  at::Tensor plain = torch::ones({70000}).set_requires_grad(true);
  at::Tensor without = torch::ones({3}).set_requires_grad(true);
  at::Tensor expanded = torch::ones({4}).set_requires_grad(true);
  const Sgd sgd({{"plain", plain, false, false},
                 {"without", without, false, false},
                 {"expanded", expanded, false, false}},
                {}, [](const NamedParameter&) { return 1.0; });
  plain.mutable_grad() = torch::full({70000}, -std::numeric_limits<float>::max());
  expanded.mutable_grad() = torch::full({1}, 1e-45).expand({4});
  EXPECT_TRUE(sgd.GradientsAreFinite());
  for (const float bad :
       {std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity(),
        std::numeric_limits<float>::quiet_NaN()}) {
    for (const int64_t at : {0, 40000, 69999}) {
      plain.mutable_grad() = torch::zeros({70000}).index_fill(0, torch::tensor({at}), bad);
      EXPECT_FALSE(sgd.GradientsAreFinite()) << bad << " at " << at;
    }
    plain.mutable_grad() = torch::zeros({70000});
    expanded.mutable_grad() = torch::full({1}, bad).expand({4});
    EXPECT_FALSE(sgd.GradientsAreFinite());
    expanded.mutable_grad() = torch::zeros({4});
  }
}

TEST(Sgd, StateGoesRoundAndMissingMomentaAreNamed) {
  at::Tensor p = torch::ones({3}).set_requires_grad(true);
  const auto one = [](const NamedParameter&) { return 1.0; };
  Sgd sgd({{"p", p, false, false}}, {}, one);
  p.mutable_grad() = torch::ones({3});
  sgd.Step(0.1);
  const TensorMap state = sgd.State();
  EXPECT_NE(state.Find("p")->ToF32()[0], 0.0F);
  Sgd other({{"p", p, false, false}}, {}, one);
  other.LoadState(state, "", "state");
  EXPECT_EQ(other.State().Find("p")->bytes, state.Find("p")->bytes);
  EXPECT_THROW(other.LoadState(state, "momentum/", "state"), std::runtime_error);
}

}  // namespace
}  // namespace i2crc
