// SPDX-License-Identifier: Apache-2.0
#include "i2crc/nn/initial_weights.h"

#include <utility>

#include "i2crc/core/error.h"
#include "i2crc/nn/checkpoint.h"
#include "i2crc/nn/state_dict.h"
#include "i2crc/weights/name_map.h"
#include "i2crc/weights/tensor_file.h"

namespace i2crc {

void CheckBackbone(const NetworkSpec& spec, const std::filesystem::path& weights) {
  if (!weights.empty())
    LoadBackbone(*MakeNetworkToLoad(spec), ReadTensorFile(weights), weights.string());
}

std::string BackboneOf(const std::filesystem::path& weights) {
  TensorMap tensors = ReadTensorHeaders(weights);
  StripModulePrefix(tensors, weights.string());
  const int depth = ResNetDepth(tensors, "");
  if (depth > 0) return fmt::format("resnet{}", depth);
  if (tensors.Find("features.28.weight") != nullptr) return "vgg16";
  Fail("{}: not the weights of a ResNet-18, -50, -101 or VGG16 with torchvision's names",
       weights.string());
}

void StartFrom(Network& network, const std::filesystem::path& checkpoint,
               const ClassNames& classes) {
  const bool is_attention = IsAttentionArch(network.spec().arch);
  const NetworkKind kind = is_attention ? NetworkKind::kAttention : KindOfCheckpoint(checkpoint);
  const LoadedNetwork other = LoadCheckpoint(checkpoint, kind, classes);
  const TensorMap state = SaveState(*other.network);
  if (is_attention || kind == NetworkKind::kSegmentation) {
    if (WithoutStride(other.info.spec.arch) != WithoutStride(network.spec().arch) ||
        other.info.spec.width != network.spec().width)
      Fail("{}: a {} of width {}, needed is a {} of width {}", checkpoint.string(),
           other.info.spec.arch, other.info.spec.width, network.spec().arch, network.spec().width);
    LoadState(network, state, checkpoint.string());
    return;
  }
  TensorMap backbone;
  for (const auto& [name, tensor] : state.items())
    if (!other.network->IsHead(name)) backbone.Add(name, tensor);
  LoadBackbone(network, std::move(backbone), checkpoint.string());
}

}  // namespace i2crc
