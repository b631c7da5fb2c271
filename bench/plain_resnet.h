// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/torch.h>

namespace i2crc::bench {

// The peer: an attention network on ResNet-50 as anybody would write it with torch::nn, batch norm
// frozen by eval(), and the losses of ALGORITHM.md's stage 1 with tensor operations and autograd.
class PlainResNet50Impl : public torch::nn::Module {
 public:
  explicit PlainResNet50Impl(int64_t classes);
  at::Tensor forward(at::Tensor images);

 private:
  torch::nn::Sequential body_;
};
TORCH_MODULE(PlainResNet50);

// scores [N, C, h, w]; saliency f32 [N, H, W] in 0…1; tags f32 [N, C], one tag each.
at::Tensor PlainLoss(const at::Tensor& scores, const at::Tensor& saliency, const at::Tensor& tags);

}  // namespace i2crc::bench
