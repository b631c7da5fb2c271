// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "i2crc/data/architectures.h"
#include "i2crc/weights/tensor.h"

namespace i2crc {

// What decides the shape of a network.
struct NetworkSpec {
  std::string arch;    // one of data/architectures.h
  int outputs = 0;     // C for attention, C + 1 for segmentation
  double width = 1.0;  // multiplies the channels of every hidden layer
  bool multi_scale =
      false;  // segmentation: the wrapper over scales 1, 0.5, 0.75 (ALGORITHM.md, stage 4)
};

// What training wants to know of a parameter.
struct NamedParameter {
  std::string name;
  at::Tensor value;
  bool is_head;  // the layers that do not come from ImageNet
  bool is_bias;
};

enum class Precision { kF32, kBF16 };

// One of the method's networks. Parameters are f32 whatever the precision of the arithmetic;
// convolution weights are stored channels-last. Not safe to use from two threads at once.
class Network {
 public:
  virtual ~Network() = default;

  // images: f32 [N, 3, H, W]. Score maps or logits, f32 [N, outputs, h, w], in the state of the
  // last Train() or Eval(); with the multi-scale wrapper the element-wise maximum. Throws Error
  // where the images are too small for the architecture, in training also where a batch norm is
  // left with a single value per channel.
  virtual at::Tensor Forward(const at::Tensor& images) = 0;
  // What a training step needs a loss for: the output alone, or with the multi-scale wrapper the
  // logits at scales 1, 0.5, 0.75 and their maximum.
  virtual std::vector<at::Tensor> ForwardLevels(const at::Tensor& images) = 0;

  // The backbone's feature maps of images as Forward takes them: of layer1 to layer4, f32 [N,
  // channels, h, w] each. Throws Error where the network is no ResNet for attention.
  virtual std::vector<at::Tensor> Features(const at::Tensor& images);

  virtual void Train() = 0;
  virtual void Eval() = 0;
  virtual void To(const at::Device& device) = 0;

  // Names, in order, of parameters and buffers, as a PyTorch state dict has them: torchvision's
  // names for an attention network and the authors' for DeepLab v2 (`base.features…` with the
  // wrapper). The tensors are the network's own.
  virtual std::vector<std::pair<std::string, at::Tensor>> State() = 0;
  virtual std::vector<NamedParameter> Parameters() = 0;
  // Whether a name of State() belongs to the layers that do not come from ImageNet.
  virtual bool IsHead(const std::string& name) const = 0;
  // In front of the names of the part that torchvision's weights fill: "", "features.",
  // "base.features.".
  virtual std::string BackbonePrefix() const = 0;

  // Standard deviation that a convolution's weights [out, in, k, k] start with.
  virtual double InitialDeviation(const std::string& name, const at::Tensor& weight) const;

  // Seeds dropout, if there is any; called before every batch, so that a resumed run draws the
  // same. Every pass since then draws other masks.
  virtual void SeedDropout(uint64_t seed) = 0;

  const NetworkSpec& spec() const { return spec_; }
  void SetPrecision(Precision precision) { precision_ = precision; }

  // Batch norm keeps its statistics and its affine parameters, in training too (ALGORITHM.md, stage
  // 1).
  void FreezeBatchNorm() { frozen_batch_norm_ = true; }
  // The first `stages` stages of the backbone keep their parameters and statistics in training: of
  // a ResNet the stem, then layer1 to layer4; of VGG16 what stands before each pooling.
  void FreezeStages(int stages) { frozen_stages_ = stages; }

 protected:
  explicit Network(NetworkSpec spec) : spec_(std::move(spec)) {}
  NetworkSpec spec_;
  Precision precision_ = Precision::kF32;
  bool frozen_batch_norm_ = false;
  int frozen_stages_ = 0;
};

// Builds a network with initial weights from (seed, position of the tensor): convolutions normal
// with standard deviation sqrt(2/(k·k·out)), the head of a ResNet, of DeepLab and LargeFOV's new
// layers normal 0.01, deeplabplus' other new layers sqrt(2/(k·k·in)), biases 0, batch norm at
// identity. Throws Error for an unknown arch, a width outside (0, 8] and the multi-scale wrapper
// around an attention network.
std::unique_ptr<Network> MakeNetwork(const NetworkSpec& spec, uint64_t seed);
// The same with any values: to be loaded, or to be asked for its names and shapes. Drawing the
// weights of a ResNet takes a good part of a second.
std::unique_ptr<Network> MakeNetworkToLoad(const NetworkSpec& spec);

}  // namespace i2crc
