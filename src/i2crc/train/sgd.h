// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <string>
#include <vector>

#include "i2crc/nn/network.h"
#include "i2crc/weights/tensor.h"

namespace i2crc {

struct SgdOptions {
  double momentum = 0.9;
  bool nesterov = false;
  double weight_decay = 5e-4;
};

// Stochastic gradient descent as PyTorch has it (ALGORITHM.md, stage 1): g += wd·p; v = momentum·v
// + g; p −= rate·(g + momentum·v) with Nesterov, p −= rate·v without. A parameter without a
// gradient is left as it is.
class Sgd {
 public:
  // rate_factor: what a parameter's rate is multiplied with.
  Sgd(std::vector<NamedParameter> parameters, const SgdOptions& options,
      const std::function<double(const NamedParameter&)>& rate_factor);

  void ZeroGradients();
  // No infinity and no NaN among them.
  bool GradientsAreFinite() const;
  void Step(double rate);

  // The momenta, named like their parameters.
  TensorMap State() const;
  // Throws Error "FILE: …" where one is missing or of another shape; prefix stands in front of the
  // names.
  void LoadState(const TensorMap& state, const std::string& prefix, const std::string& file);

 private:
  struct Slot {
    NamedParameter parameter;
    at::Tensor momentum;
    double rate_factor;
  };
  std::vector<Slot> slots_;
  SgdOptions options_;
};

}  // namespace i2crc
