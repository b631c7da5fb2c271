// SPDX-License-Identifier: Apache-2.0
#include "i2crc/nn/resnet.h"

#include <array>

#include "i2crc/core/error.h"

namespace i2crc {

ResidualBlockImpl::ResidualBlockImpl(const Shape& s) : bottleneck_(s.bottleneck) {
  // Registered in torchvision's order, which is the order of the state dict. In a basic block the
  // first 3×3 has the stride, in a bottleneck the second convolution.
  auto conv = [&](const char* name, const ConvShape& shape) {
    return register_module(name, Conv(shape));
  };
  if (s.bottleneck) {
    conv1_ = conv("conv1", {.in = s.in, .out = s.hidden, .kernel = 1});
    bn1_ = register_module("bn1", BatchNorm(s.hidden));
    conv2_ = conv("conv2", {.in = s.hidden,
                            .out = s.hidden,
                            .kernel = 3,
                            .stride = s.stride,
                            .padding = s.first_dilation,
                            .dilation = s.first_dilation});
    bn2_ = register_module("bn2", BatchNorm(s.hidden));
    conv3_ = conv("conv3", {.in = s.hidden, .out = s.out, .kernel = 1});
    bn3_ = register_module("bn3", BatchNorm(s.out));
  } else {
    conv1_ = conv("conv1", {.in = s.in,
                            .out = s.hidden,
                            .kernel = 3,
                            .stride = s.stride,
                            .padding = s.first_dilation,
                            .dilation = s.first_dilation});
    bn1_ = register_module("bn1", BatchNorm(s.hidden));
    conv2_ = conv(
        "conv2",
        {.in = s.hidden, .out = s.out, .kernel = 3, .padding = s.dilation, .dilation = s.dilation});
    bn2_ = register_module("bn2", BatchNorm(s.out));
  }
  if (s.stride != 1 || s.in != s.out) {
    downsample_conv_ = Conv(ConvShape{.in = s.in, .out = s.out, .kernel = 1, .stride = s.stride});
    downsample_norm_ = BatchNorm(s.out);
    downsample_ = register_module("downsample", std::make_shared<torch::nn::Module>());
    downsample_->register_module("0", downsample_conv_);
    downsample_->register_module("1", downsample_norm_);
  }
}

at::Tensor ResidualBlockImpl::forward(const at::Tensor& x) {
  at::Tensor y = ConvNorm(conv1_, bn1_, x).relu_();
  y = ConvNorm(conv2_, bn2_, y);
  if (bottleneck_) y = ConvNorm(conv3_, bn3_, y.relu_());
  const at::Tensor shortcut = downsample_ ? ConvNorm(downsample_conv_, downsample_norm_, x) : x;
  return y.add_(shortcut).relu_();
}

namespace {

struct Depth {
  bool bottleneck;
  std::array<int, 4> blocks;
};

Depth DepthOf(int depth) {
  switch (depth) {
    case 18:
      return {false, {2, 2, 2, 2}};
    case 50:
      return {true, {3, 4, 6, 3}};
    case 101:
      return {true, {3, 4, 23, 3}};
    default:
      throw InternalError(fmt::format("no ResNet-{}", depth));
  }
}

}  // namespace

ResNetImpl::ResNetImpl(int depth, double width, const ResNetStrides& strides) {
  const Depth shape = DepthOf(depth);
  const int64_t stem = Scaled(64, width);
  conv1_ = register_module(
      "conv1", Conv(ConvShape{.in = 3, .out = stem, .kernel = 7, .stride = 2, .padding = 3}));
  bn1_ = register_module("bn1", BatchNorm(stem));
  const std::array<int64_t, 4> stride = {1, 2, strides.layer3_stride, strides.layer4_stride};
  const std::array<int64_t, 4> dilation = {1, 1, strides.layer3_dilation, strides.layer4_dilation};
  int64_t in = stem;
  for (size_t layer = 0; layer < 4; ++layer) {
    const int64_t hidden = Scaled(64 << layer, width);
    const int64_t out = shape.bottleneck ? hidden * 4 : hidden;
    auto blocks =
        register_module("layer" + std::to_string(layer + 1), std::make_shared<torch::nn::Module>());
    layers_.emplace_back();
    for (int b = 0; b < shape.blocks[layer]; ++b) {
      // The convolution of the first block that lost its stride keeps dilation 1 (ALGORITHM.md,
      // stage 4).
      ResidualBlock block(ResidualBlockImpl::Shape{.bottleneck = shape.bottleneck,
                                                   .in = in,
                                                   .hidden = hidden,
                                                   .out = out,
                                                   .stride = b == 0 ? stride[layer] : 1,
                                                   .first_dilation = b == 0 ? 1 : dilation[layer],
                                                   .dilation = dilation[layer]});
      blocks->register_module(std::to_string(b), block);
      layers_.back().push_back(block);
      in = out;
    }
    channels_.push_back(out);
  }
}

std::vector<at::Tensor> ResNetImpl::Layers(const at::Tensor& images) {
  at::Tensor x = ConvNorm(conv1_, bn1_, images).relu_();
  x = at::max_pool2d(x, 3, 2, 1);
  std::vector<at::Tensor> layers;
  for (auto& blocks : layers_) {
    for (auto& block : blocks) x = block->forward(x);
    layers.push_back(x);
  }
  return layers;
}

}  // namespace i2crc
