// SPDX-License-Identifier: Apache-2.0
#include "i2crc/train/weight_average.h"

#include <torch/torch.h>

#include <algorithm>

#include "i2crc/core/error.h"
#include "i2crc/train/named_state.h"

namespace i2crc {

WeightAverage::WeightAverage(Network& network, double decay) : decay_(decay) {
  ENSURE(decay >= 0 && decay < 1, "a decay of {}", decay);
  for (NamedParameter& parameter : network.Parameters()) {
    at::Tensor average = parameter.value.detach().clone(at::MemoryFormat::Preserve);
    slots_.push_back({std::move(parameter), std::move(average)});
  }
}

void WeightAverage::Update(int64_t step) {
  const torch::NoGradGuard no_grad;
  const double decay =
      std::min(decay_, (1.0 + static_cast<double>(step)) / (10.0 + static_cast<double>(step)));
  for (Slot& slot : slots_) slot.average.lerp_(slot.parameter.value, 1 - decay);
}

void WeightAverage::Apply() {
  const torch::NoGradGuard no_grad;
  for (Slot& slot : slots_) slot.parameter.value.copy_(slot.average);
}

TensorMap WeightAverage::State() const {
  TensorMap state;
  for (const Slot& slot : slots_) AddNamed(state, slot.parameter.name, slot.average);
  return state;
}

void WeightAverage::LoadState(const TensorMap& state, const std::string& prefix,
                              const std::string& file) {
  for (Slot& slot : slots_) LoadNamed(state, prefix + slot.parameter.name, file, slot.average);
}

}  // namespace i2crc
