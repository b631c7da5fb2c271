// SPDX-License-Identifier: Apache-2.0
// Includes all of libtorch: for nn/'s own sources only.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "i2crc/nn/layers.h"

namespace i2crc {

// Where layer3 and layer4 give up their stride, and the dilation they take instead.
struct ResNetStrides {
  int64_t layer3_stride = 2;
  int64_t layer4_stride = 2;
  int64_t layer3_dilation = 1;
  int64_t layer4_dilation = 1;
};

// One residual block, basic (two 3×3) or bottleneck (1×1, 3×3 with the stride, 1×1), under
// torchvision's names.
class ResidualBlockImpl : public torch::nn::Module {
 public:
  // first_dilation: of the convolution that has, or lost, the stride; dilation: of the others.
  struct Shape {
    bool bottleneck;
    int64_t in, hidden, out, stride, first_dilation, dilation;
  };
  explicit ResidualBlockImpl(const Shape& shape);
  at::Tensor forward(const at::Tensor& x);

 private:
  bool bottleneck_;
  Conv conv1_{nullptr}, conv2_{nullptr}, conv3_{nullptr};
  BatchNorm bn1_{nullptr}, bn2_{nullptr}, bn3_{nullptr};
  std::shared_ptr<torch::nn::Module> downsample_;
  Conv downsample_conv_{nullptr};
  BatchNorm downsample_norm_{nullptr};
};
TORCH_MODULE(ResidualBlock);

// torchvision's ResNet without its pooling and classifier: [N, 3, H, W] to layer4's features.
class ResNetImpl : public torch::nn::Module {
 public:
  // depth: 18, 50 or 101.
  ResNetImpl(int depth, double width, const ResNetStrides& strides);
  at::Tensor forward(const at::Tensor& images) { return Layers(images).back(); }
  // The features of layer1 to layer4.
  std::vector<at::Tensor> Layers(const at::Tensor& images);
  int64_t out_channels() const { return channels_.back(); }
  // Of layer1 (0) to layer4 (3).
  int64_t channels(size_t layer) const { return channels_.at(layer); }

 private:
  std::vector<int64_t> channels_;
  Conv conv1_{nullptr};
  BatchNorm bn1_{nullptr};
  std::vector<std::vector<ResidualBlock>> layers_;
};
TORCH_MODULE(ResNet);

}  // namespace i2crc
