// SPDX-License-Identifier: Apache-2.0
#include "i2crc/nn/segmentation_network.h"

#include <cmath>

#include "i2crc/nn/module_network.h"
#include "i2crc/nn/resnet.h"
#include "i2crc/nn/vgg.h"

namespace i2crc {
namespace {

// The authors' wrapper calls the network inside it `base`.
std::string BasePrefix(const NetworkSpec& spec) { return spec.multi_scale ? "base." : ""; }

class SegmentationNetwork : public ModuleNetwork {
 protected:
  explicit SegmentationNetwork(const NetworkSpec& spec)
      : ModuleNetwork(spec, BasePrefix(spec) + "features.", {BasePrefix(spec) + "classifier."}) {
    if (!spec.multi_scale) return;
    base_ = std::make_shared<torch::nn::Module>();
    root().register_module("base", base_);
  }
  // Where the network's modules are registered.
  torch::nn::Module& base() { return base_ ? *base_ : root(); }

 private:
  std::shared_ptr<torch::nn::Module> base_;
};

class DeepLab : public SegmentationNetwork {
 public:
  DeepLab(const NetworkSpec& spec, int depth)
      : SegmentationNetwork(spec),
        features_(depth, spec.width,
                  ResNetStrides{.layer3_stride = 1,
                                .layer4_stride = 1,
                                .layer3_dilation = 2,
                                .layer4_dilation = 4}) {
    base().register_module("features", features_);
    auto classifier = std::make_shared<torch::nn::Module>();
    auto list = std::make_shared<torch::nn::Module>();
    base().register_module("classifier", classifier);
    classifier->register_module("conv2d_list", list);
    int index = 0;
    for (const int64_t dilation : {6, 12, 18, 24})
      branches_.push_back(list->register_module(std::to_string(index++),
                                                Conv(ConvShape{.in = features_->out_channels(),
                                                               .out = spec.outputs,
                                                               .kernel = 3,
                                                               .padding = dilation,
                                                               .dilation = dilation,
                                                               .bias = true})));
  }

 protected:
  at::Tensor Run(const at::Tensor& images) override {
    const at::Tensor x = features_->forward(images);
    at::Tensor sum = branches_[0]->forward(x).to(at::kFloat);
    for (size_t i = 1; i < branches_.size(); ++i)
      sum = sum + branches_[i]->forward(x).to(at::kFloat);
    return sum;
  }

 private:
  ResNet features_;
  std::vector<Conv> branches_;
};

// DeepLab v3+ (Chen et al., 2018) for few photographs and a CPU: stride 16, a third of what stride
// 8 costs; no batch norm in the head, whose batches are too small for it.
class DeepLabPlus : public SegmentationNetwork {
 public:
  DeepLabPlus(const NetworkSpec& spec, int depth)
      : SegmentationNetwork(spec),
        features_(depth, spec.width, ResNetStrides{.layer4_stride = 1}),
        dropout_(0.1) {
    base().register_module("features", features_);
    classifier_ = std::make_shared<torch::nn::Module>();
    base().register_module("classifier", classifier_);
    const int64_t in = features_->out_channels();
    const int64_t hidden = Scaled(256, spec.width), dilated = Scaled(128, spec.width),
                  low = Scaled(48, spec.width);
    auto branches = std::make_shared<torch::nn::Module>();
    classifier_->register_module("branches", branches);
    branches_.push_back(branches->register_module(
        "0", Conv(ConvShape{.in = in, .out = hidden, .kernel = 1, .bias = true})));
    for (const int64_t dilation : {3, 6, 9})
      branches_.push_back(branches->register_module(std::to_string(branches_.size()),
                                                    Conv(ConvShape{.in = in,
                                                                   .out = dilated,
                                                                   .kernel = 3,
                                                                   .padding = dilation,
                                                                   .dilation = dilation,
                                                                   .bias = true})));
    pooled_ = Add("pooled", {.in = in, .out = hidden, .kernel = 1, .bias = true});
    joined_ =
        Add("joined", {.in = 2 * hidden + 3 * dilated, .out = hidden, .kernel = 1, .bias = true});
    low_ =
        Add("low", {.in = features_->channels(kLowLayer), .out = low, .kernel = 1, .bias = true});
    fused_ =
        Add("fused", {.in = hidden + low, .out = dilated, .kernel = 3, .padding = 1, .bias = true});
    logits_ = Add("logits", {.in = dilated, .out = spec.outputs, .kernel = 1, .bias = true});
    classifier_->register_module("dropout", dropout_);
  }

  double InitialDeviation(const std::string& name, const at::Tensor& weight) const override {
    if (!IsHead(name)) return SegmentationNetwork::InitialDeviation(name, weight);
    if (name.ends_with("logits.weight")) return 0.01;
    return std::sqrt(2.0 / static_cast<double>(weight[0].numel()));
  }

 protected:
  at::Tensor Run(const at::Tensor& images) override {
    const std::vector<at::Tensor> layers = features_->Layers(images);
    const at::Tensor& deep = layers.back();
    std::vector<at::Tensor> parts;
    for (Conv& branch : branches_) parts.push_back(branch->forward(deep).relu_());
    const at::Tensor mean =
        deep.to(at::kFloat).mean({2, 3}, /*keepdim=*/true).to(deep.scalar_type());
    parts.push_back(pooled_->forward(mean).relu_().expand({-1, -1, deep.size(2), deep.size(3)}));
    at::Tensor x = dropout_->forward(
        joined_->forward(at::cat(parts, 1).contiguous(at::MemoryFormat::ChannelsLast)).relu_());
    const at::Tensor low = low_->forward(layers[kLowLayer]).relu_();
    x = at::upsample_bilinear2d(x, low.sizes().slice(2), /*align_corners=*/false);
    x = fused_->forward(at::cat({x, low}, 1)).relu_();
    return logits_->forward(x).to(at::kFloat);
  }

 private:
  // Layer2, at stride 8: the dense CRF draws the outlines, so that layer1's would buy nothing.
  static constexpr size_t kLowLayer = 1;

  Conv Add(const char* name, const ConvShape& shape) {
    return classifier_->register_module(name, Conv(shape));
  }

  ResNet features_;
  std::shared_ptr<torch::nn::Module> classifier_;
  std::vector<Conv> branches_;
  Conv pooled_{nullptr}, joined_{nullptr}, low_{nullptr}, fused_{nullptr}, logits_{nullptr};
  SeededDropout dropout_;
};

class LargeFov : public SegmentationNetwork {
 public:
  explicit LargeFov(const NetworkSpec& spec)
      : SegmentationNetwork(spec), features_(spec.width), dropout1_(0.5), dropout2_(0.5) {
    base().register_module("features", features_);
    classifier_ = std::make_shared<torch::nn::Module>();
    base().register_module("classifier", classifier_);
    const int64_t hidden = Scaled(1024, spec.width);
    fc6_ = classifier_->register_module("fc6", Conv(ConvShape{.in = features_->out_channels(),
                                                              .out = hidden,
                                                              .kernel = 3,
                                                              .padding = 12,
                                                              .dilation = 12,
                                                              .bias = true}));
    fc7_ = classifier_->register_module(
        "fc7", Conv(ConvShape{.in = hidden, .out = hidden, .kernel = 1, .bias = true}));
    fc8_ = classifier_->register_module(
        "fc8", Conv(ConvShape{.in = hidden, .out = spec.outputs, .kernel = 1, .bias = true}));
    classifier_->register_module("dropout1", dropout1_);
    classifier_->register_module("dropout2", dropout2_);
  }

 protected:
  at::Tensor Run(const at::Tensor& images) override {
    at::Tensor x = at::max_pool2d(features_->forward(images), 3, 1, 1);
    x = dropout1_->forward(fc6_->forward(x).relu_());
    x = dropout2_->forward(fc7_->forward(x).relu_());
    return fc8_->forward(x);
  }
  int64_t SmallestSide() const override { return VggFeaturesImpl::kSmallestSide; }

 private:
  VggFeatures features_;
  std::shared_ptr<torch::nn::Module> classifier_;
  Conv fc6_{nullptr}, fc7_{nullptr}, fc8_{nullptr};
  SeededDropout dropout1_, dropout2_;
};

}  // namespace

std::unique_ptr<Network> MakeSegmentationNetwork(const NetworkSpec& spec) {
  if (spec.arch == "largefov-vgg16") return std::make_unique<LargeFov>(spec);
  const int depth = std::stoi(spec.arch.substr(spec.arch.find("-resnet") + 7));
  if (spec.arch.starts_with("deeplabplus")) return std::make_unique<DeepLabPlus>(spec, depth);
  return std::make_unique<DeepLab>(spec, depth);
}

}  // namespace i2crc
