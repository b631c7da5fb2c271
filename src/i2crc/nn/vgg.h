// SPDX-License-Identifier: Apache-2.0
// Includes all of libtorch: for nn/'s own sources only.
#pragma once

#include <string>
#include <vector>

#include "i2crc/nn/layers.h"

namespace i2crc {

// VGG16 to conv5 with stride 8 (ALGORITHM.md, stage 1): pool4 without stride, conv5 with dilation
// 2, no pool5. Named as torchvision's `features`: "0.weight", "2.weight", …
class VggFeaturesImpl : public torch::nn::Module {
 public:
  // Three pools halve it, rounding down.
  static constexpr int64_t kSmallestSide = 8;

  explicit VggFeaturesImpl(double width);
  at::Tensor forward(const at::Tensor& images);
  int64_t out_channels() const { return out_channels_; }

 private:
  enum class Step { kConv, kPool2, kPool3 };
  std::vector<std::pair<Step, Conv>> steps_;
  int64_t out_channels_ = 0;
};
TORCH_MODULE(VggFeatures);

}  // namespace i2crc
