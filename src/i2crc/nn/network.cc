// SPDX-License-Identifier: Apache-2.0
#include "i2crc/nn/network.h"

#include <torch/torch.h>

#include <cmath>

#include "i2crc/core/error.h"
#include "i2crc/core/random.h"
#include "i2crc/nn/attention_network.h"
#include "i2crc/nn/segmentation_network.h"

namespace i2crc {
namespace {

void Initialise(Network& network, uint64_t seed) {
  const torch::NoGradGuard no_grad;
  uint64_t position = 0;
  for (auto& [name, tensor] : network.State()) {
    Random random({seed, 0x696e6974 /* "init" */, position++});
    if (tensor.dim() != 4) continue;  // biases and batch norm start where their layers put them
    const double deviation = network.InitialDeviation(name, tensor);
    at::Tensor values = torch::empty(tensor.sizes(), torch::kFloat);
    float* out = values.data_ptr<float>();
    for (int64_t i = 0; i < values.numel(); ++i)
      out[i] = static_cast<float>(deviation * random.Normal());
    tensor.copy_(values);
  }
}

}  // namespace

std::vector<at::Tensor> Network::Features(const at::Tensor&) {
  Fail("{} has no features to be asked for", spec_.arch);
}

double Network::InitialDeviation(const std::string& name, const at::Tensor& weight) const {
  // A head's weights start at 0.01, but for VGG16's extra convolutions, which start as all its
  // others.
  if (IsHead(name) && spec_.arch != "vgg16") return 0.01;
  return std::sqrt(2.0 / static_cast<double>(weight.size(0) * weight.size(2) * weight.size(3)));
}

std::unique_ptr<Network> MakeNetworkToLoad(const NetworkSpec& spec) {
  if (!(spec.width > 0 && spec.width <= 8))
    Fail("a network of width {} cannot be made", spec.width);
  ENSURE(spec.outputs >= 1, "a network with {} outputs", spec.outputs);
  if (IsAttentionArch(spec.arch)) {
    if (spec.multi_scale) Fail("the multi-scale wrapper is for segmentation networks");
    return MakeAttentionNetwork(spec);
  }
  if (!IsSegmentationArch(spec.arch)) Fail("unknown architecture '{}'", spec.arch);
  return MakeSegmentationNetwork(spec);
}

std::unique_ptr<Network> MakeNetwork(const NetworkSpec& spec, uint64_t seed) {
  std::unique_ptr<Network> network = MakeNetworkToLoad(spec);
  Initialise(*network, seed);
  return network;
}

}  // namespace i2crc
