// SPDX-License-Identifier: Apache-2.0
#include "i2crc/nn/attention_network.h"

#include "i2crc/nn/module_network.h"
#include "i2crc/nn/resnet.h"
#include "i2crc/nn/vgg.h"

namespace i2crc {
namespace {

class VggAttention : public ModuleNetwork {
 public:
  explicit VggAttention(const NetworkSpec& spec)
      : ModuleNetwork(spec, "features.", {"extra_convs."}), features_(spec.width) {
    root().register_module("features", features_);
    // torchvision-like numbering with the ReLUs in between: 0, 2, 4, and the classifier 6.
    extra_ = std::make_shared<torch::nn::Module>();
    root().register_module("extra_convs", extra_);
    const int64_t channels = features_->out_channels();
    for (int i = 0; i < 3; ++i)
      Append(i * 2, {.in = channels, .out = channels, .kernel = 3, .padding = 1, .bias = true});
    Append(6, {.in = channels, .out = spec.outputs, .kernel = 1, .bias = true});
  }

 protected:
  at::Tensor Run(const at::Tensor& images) override {
    at::Tensor x = features_->forward(images);
    for (size_t i = 0; i < 3; ++i) x = convs_[i]->forward(x).relu_();
    return convs_[3]->forward(x);
  }
  int64_t SmallestSide() const override { return VggFeaturesImpl::kSmallestSide; }

 private:
  void Append(int index, const ConvShape& shape) {
    convs_.push_back(extra_->register_module(std::to_string(index), Conv(shape)));
  }

  VggFeatures features_;
  std::shared_ptr<torch::nn::Module> extra_;
  std::vector<Conv> convs_;
};

class ResNetAttention : public ModuleNetwork {
 public:
  ResNetAttention(const NetworkSpec& spec, int depth, const ResNetStrides& strides)
      : ModuleNetwork(spec, "", {"head."}), features_(depth, spec.width, strides) {
    // torchvision's names stand without a prefix: the ResNet's children are the network's own.
    for (const auto& child : features_->named_children())
      root().register_module(child.key(), child.value());
    head_ = root().register_module(
        "head",
        Conv(ConvShape{
            .in = features_->out_channels(), .out = spec.outputs, .kernel = 1, .bias = true}));
  }

 protected:
  at::Tensor Run(const at::Tensor& images) override {
    return head_->forward(features_->forward(images));
  }
  std::vector<at::Tensor> RunFeatures(const at::Tensor& images) override {
    return features_->Layers(images);
  }

 private:
  ResNet features_;
  Conv head_{nullptr};
};

}  // namespace

std::unique_ptr<Network> MakeAttentionNetwork(const NetworkSpec& spec) {
  if (spec.arch == "vgg16") return std::make_unique<VggAttention>(spec);
  ResNetStrides strides{.layer4_stride = 1};
  if (spec.arch.ends_with("-stride32")) strides.layer4_stride = 2;
  if (spec.arch.ends_with("-stride16")) strides.layer4_dilation = 2;
  return std::make_unique<ResNetAttention>(spec, std::stoi(spec.arch.substr(6)), strides);
}

}  // namespace i2crc
