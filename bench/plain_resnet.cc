// SPDX-License-Identifier: Apache-2.0
#include "plain_resnet.h"

namespace i2crc::bench {
namespace {

namespace nn = torch::nn;

nn::Conv2d Conv(int64_t in, int64_t out, int64_t kernel, int64_t stride = 1) {
  return nn::Conv2d(
      nn::Conv2dOptions(in, out, kernel).stride(stride).padding(kernel / 2).bias(false));
}

class BottleneckImpl : public nn::Module {
 public:
  BottleneckImpl(int64_t in, int64_t hidden, int64_t stride) {
    main_ = register_module(
        "main",
        nn::Sequential(Conv(in, hidden, 1), nn::BatchNorm2d(hidden), nn::ReLU(true),
                       Conv(hidden, hidden, 3, stride), nn::BatchNorm2d(hidden), nn::ReLU(true),
                       Conv(hidden, hidden * 4, 1), nn::BatchNorm2d(hidden * 4)));
    if (stride != 1 || in != hidden * 4)
      shortcut_ = register_module(
          "shortcut", nn::Sequential(Conv(in, hidden * 4, 1, stride), nn::BatchNorm2d(hidden * 4)));
  }
  at::Tensor forward(const at::Tensor& x) {
    return torch::relu(main_->forward(x) + (shortcut_.is_empty() ? x : shortcut_->forward(x)));
  }

 private:
  nn::Sequential main_{nullptr}, shortcut_{nullptr};
};
TORCH_MODULE(Bottleneck);

}  // namespace

PlainResNet50Impl::PlainResNet50Impl(int64_t classes) {
  body_->push_back(Conv(3, 64, 7, 2));
  body_->push_back(nn::BatchNorm2d(64));
  body_->push_back(nn::ReLU(true));
  body_->push_back(nn::MaxPool2d(nn::MaxPool2dOptions(3).stride(2).padding(1)));
  int64_t in = 64;
  const int64_t blocks[] = {3, 4, 6, 3};
  for (int64_t layer = 0; layer < 4; ++layer)
    for (int64_t b = 0; b < blocks[layer]; ++b) {
      const int64_t hidden = int64_t{64} << layer;
      body_->push_back(Bottleneck(in, hidden, b == 0 && (layer == 1 || layer == 2) ? 2 : 1));
      in = hidden * 4;
    }
  body_->push_back(nn::Conv2d(nn::Conv2dOptions(in, classes, 1)));
  register_module("body", body_);
  for (auto& module : modules(false))
    if (auto* norm = module->as<nn::BatchNorm2d>())
      for (auto& parameter : norm->parameters()) parameter.set_requires_grad(false);
  eval();
}

at::Tensor PlainResNet50Impl::forward(at::Tensor images) { return body_->forward(images); }

at::Tensor PlainLoss(const at::Tensor& scores, const at::Tensor& saliency, const at::Tensor& tags) {
  const at::Tensor large = at::upsample_bilinear2d(scores, saliency.sizes().slice(1), false);
  const auto centre = [&](const at::Tensor& mask) {
    return (mask * large).sum({2, 3}) / (mask.sum({2, 3}) + 1e-5);
  };
  const auto intra = [&](const at::Tensor& mask, const at::Tensor& mean) {
    const at::Tensor difference = mask * (large - mean.unsqueeze(2).unsqueeze(3));
    return (difference.square().sum({2, 3}) / (mask.sum({2, 3}) + 1e-5)).mean();
  };
  const at::Tensor object = saliency.unsqueeze(1), ground = 1 - object;
  const at::Tensor on = centre(object), off = centre(ground);
  const at::Tensor logits = scores.mean({2, 3});
  const at::Tensor classification =
      -(tags * at::log_sigmoid(logits) + (1 - tags) * at::log_sigmoid(-logits)).mean();
  return classification + 0.01 * intra(object, on) + 0.025 * intra(ground, off) +
         0.1 * ((off - on) * tags).mean();
}

}  // namespace i2crc::bench
