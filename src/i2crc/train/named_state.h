// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <string>

#include "i2crc/weights/tensor.h"

namespace i2crc {

// What a training keeps beside the network, a tensor for each parameter.
void AddNamed(TensorMap& state, const std::string& name, const at::Tensor& tensor);
// Copies the stored tensor into `tensor`. Throws Error "FILE: …" where it is missing or of another
// shape.
void LoadNamed(const TensorMap& state, const std::string& name, const std::string& file,
               at::Tensor& tensor);

}  // namespace i2crc
