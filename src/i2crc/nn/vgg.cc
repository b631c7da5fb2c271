// SPDX-License-Identifier: Apache-2.0
#include "i2crc/nn/vgg.h"

namespace i2crc {

VggFeaturesImpl::VggFeaturesImpl(double width) {
  constexpr int kLayersOfStage[] = {2, 2, 3, 3, 3};
  constexpr int64_t kChannelsOfStage[] = {64, 128, 256, 512, 512};
  int64_t in = 3;
  int index = 0;  // torchvision counts convolutions, ReLUs and pools
  for (size_t stage = 0; stage < 5; ++stage) {
    const int64_t out = Scaled(kChannelsOfStage[stage], width);
    const int64_t dilation = stage == 4 ? 2 : 1;
    for (int layer = 0; layer < kLayersOfStage[stage]; ++layer) {
      Conv conv(ConvShape{.in = in,
                          .out = out,
                          .kernel = 3,
                          .padding = dilation,
                          .dilation = dilation,
                          .bias = true});
      register_module(std::to_string(index), conv);
      steps_.emplace_back(Step::kConv, conv);
      index += 2;
      in = out;
    }
    if (stage < 4) {
      steps_.emplace_back(stage < 3 ? Step::kPool2 : Step::kPool3, nullptr);
      index += 1;
    }
  }
  out_channels_ = in;
}

at::Tensor VggFeaturesImpl::forward(const at::Tensor& images) {
  at::Tensor x = images;
  for (auto& [step, conv] : steps_) {
    switch (step) {
      case Step::kConv:
        x = conv->forward(x).relu_();
        break;
      case Step::kPool2:
        x = at::max_pool2d(x, 2, 2);
        break;
      case Step::kPool3:
        x = at::max_pool2d(x, 3, 1, 1);
        break;
    }
  }
  return x;
}

}  // namespace i2crc
