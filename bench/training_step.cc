// SPDX-License-Identifier: Apache-2.0
// A training step of stage 1 (ResNet-50, 5 images of 256², frozen batch norm, f32) against a plain
// libtorch loop of the same network, in turn in one process. Prints medians and the ratio.
#include <torch/torch.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <vector>

#include "i2crc/core/context.h"
#include "i2crc/losses/relation_losses.h"
#include "i2crc/network_steps/network_setup.h"
#include "i2crc/nn/network.h"
#include "i2crc/train/sgd.h"
#include "plain_resnet.h"

namespace {

constexpr int kImages = 5, kClasses = 20, kSide = 256;

double Seconds(const std::function<void()>& work) {
  const auto begun = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
}

double Median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<long>(values.size() / 2),
                   values.end());
  return values[values.size() / 2];
}

}  // namespace

int main(int argc, char** argv) {
  using namespace i2crc;
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 9;
  Context context;
  PrepareCompute({}, 0, context);
  torch::manual_seed(1);
  const at::Tensor images = torch::randn({kImages, 3, kSide, kSide});
  const at::Tensor saliency = torch::randint(0, 256, {kImages, kSide, kSide}, torch::kByte);
  at::Tensor tags = torch::zeros({kImages, kClasses}, torch::kByte);
  for (int n = 0; n < kImages; ++n) tags[n][n] = 1;

  auto network = MakeNetwork({.arch = "resnet50", .outputs = kClasses}, 1);
  network->FreezeBatchNorm();
  network->Train();
  Sgd sgd(network->Parameters(), {.nesterov = true}, [](const NamedParameter&) { return 1.0; });
  const auto ours = [&] {
    sgd.ZeroGradients();
    const at::Tensor scores = network->Forward(images);
    const at::Tensor plain = scores.detach().contiguous();
    at::Tensor gradient = torch::empty_like(plain);
    RelationLossInput input{kImages,
                            kClasses,
                            static_cast<int>(plain.size(2)),
                            static_cast<int>(plain.size(3)),
                            kSide,
                            kSide,
                            {plain.data_ptr<float>(), static_cast<size_t>(plain.numel())},
                            {saliency.data_ptr<uint8_t>(), static_cast<size_t>(saliency.numel())},
                            {tags.data_ptr<uint8_t>(), static_cast<size_t>(tags.numel())}};
    RelationLosses(input, {}, {gradient.data_ptr<float>(), static_cast<size_t>(gradient.numel())});
    scores.backward(gradient);
    sgd.Step(1e-3);
  };

  bench::PlainResNet50 peer(kClasses);
  std::vector<at::Tensor> trained;
  for (const at::Tensor& p : peer->parameters())
    if (p.requires_grad()) trained.push_back(p);
  torch::optim::SGD optimiser(
      trained, torch::optim::SGDOptions(1e-3).momentum(0.9).nesterov(true).weight_decay(5e-4));
  const at::Tensor saliency_f32 = saliency.to(torch::kFloat) / 255,
                   tags_f32 = tags.to(torch::kFloat);
  const auto plain = [&] {
    optimiser.zero_grad();
    bench::PlainLoss(peer->forward(images), saliency_f32, tags_f32).backward();
    optimiser.step();
  };

  std::vector<double> our_times, peer_times;
  for (int round = -2; round < rounds; ++round) {
    const double a = Seconds(ours), b = Seconds(plain);
    if (round < 0) continue;
    our_times.push_back(a);
    peer_times.push_back(b);
  }
  std::printf("training step, ResNet-50, %d x %d^2, f32, %d threads\n", kImages, kSide,
              at::get_num_threads());
  std::printf("  ours            %7.3f s\n  plain libtorch  %7.3f s\n  ratio           %7.3f\n",
              Median(our_times), Median(peer_times), Median(our_times) / Median(peer_times));
  return 0;
}
