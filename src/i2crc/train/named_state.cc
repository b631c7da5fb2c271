// SPDX-License-Identifier: Apache-2.0
#include "i2crc/train/named_state.h"

#include <torch/torch.h>

#include "i2crc/core/error.h"
#include "i2crc/nn/state_dict.h"

namespace i2crc {

void AddNamed(TensorMap& state, const std::string& name, const at::Tensor& tensor) {
  state.Add(name, FromTorch(tensor));
}

void LoadNamed(const TensorMap& state, const std::string& name, const std::string& file,
               at::Tensor& tensor) {
  const torch::NoGradGuard no_grad;
  const Tensor* stored = state.Find(name);
  if (stored == nullptr) Fail("{}: {} is missing", file, name);
  const at::Tensor loaded = ToTorch(*stored);
  if (loaded.sizes() != tensor.sizes())
    Fail("{}: {} has shape {}", file, name, ShapeText(stored->shape));
  tensor.copy_(loaded);
}

}  // namespace i2crc
