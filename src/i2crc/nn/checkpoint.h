// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "i2crc/data/class_names.h"
#include "i2crc/data/normalisation.h"
#include "i2crc/nn/network.h"
#include "i2crc/weights/tensor.h"

namespace i2crc {

// What a checkpoint says of its network, so that whoever uses it needs no other option.
struct CheckpointInfo {
  NetworkSpec spec;
  ClassNames classes = ClassNames::Voc();
  Normalisation normalisation = Normalisation::kRgb;
  int input_size = 256;             // attention: the square that images are resized to
  nlohmann::ordered_json settings;  // of the training; no paths, no times
};

struct LoadedNetwork {
  CheckpointInfo info;
  std::unique_ptr<Network> network;
};

// The checkpoint as a tensor file: the state dict with the info under the metadata key "i2crc" and
// its checksum (weights/tensor_checksum.h).
TensorMap MakeCheckpoint(Network& network, const CheckpointInfo& info);

enum class NetworkKind { kAttention, kSegmentation };

// Depth of the ResNet whose names begin with prefix: 18, 50 or 101; 0 where there is none.
int ResNetDepth(const TensorMap& tensors, const std::string& prefix);

// Which kind a checkpoint is of; no tensor is read. Throws as LoadCheckpoint.
NetworkKind KindOfCheckpoint(const std::filesystem::path& path);

// Reads a checkpoint of ours, or one of the authors' (ALGORITHM.md, "The authors' files"): the
// architecture told by names and shapes, RGB for attention networks and BGR for segmentation
// networks, VOC's classes where there are 20. `classes` gives other names to a file that has none.
// Throws Error "FILE: …" where the network is of the other kind, of another class count than the
// names given, does not fit its architecture, or is damaged.
LoadedNetwork LoadCheckpoint(const std::filesystem::path& path, NetworkKind kind,
                             const std::optional<ClassNames>& classes = std::nullopt);

}  // namespace i2crc
