// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <string>

#include "i2crc/nn/network.h"
#include "i2crc/weights/tensor.h"

namespace i2crc {

// A tensor of ours as libtorch's, f32 (integers keep their type) and back; copies.
at::Tensor ToTorch(const Tensor& tensor);
Tensor FromTorch(const at::Tensor& tensor);

// Fills the backbone from a torchvision state dict; a leading "module." is taken off. Its
// classifier (`fc.*`, `classifier.*`) is left out; the network's head keeps its start,
// `num_batches_tracked` may be missing. Anything else that is missing, left over or of another
// shape throws Error "FILE: …" by name. file stands in messages.
void LoadBackbone(Network& network, TensorMap weights, const std::string& file);

// Fills the whole network from its own state dict (`num_batches_tracked` may be missing). Throws as
// above.
void LoadState(Network& network, const TensorMap& weights, const std::string& file);

// The whole state in the network's order; num_batches_tracked is kept.
TensorMap SaveState(Network& network);

}  // namespace i2crc
