// SPDX-License-Identifier: Apache-2.0
#include "i2crc/nn/segmentation_network.h"

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
  return std::make_unique<DeepLab>(
      spec, std::stoi(spec.arch.substr(std::string("deeplab-resnet").size())));
}

}  // namespace i2crc
