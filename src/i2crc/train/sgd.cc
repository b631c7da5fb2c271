// SPDX-License-Identifier: Apache-2.0
#include "i2crc/train/sgd.h"

#include <torch/torch.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstdint>

#include "i2crc/core/error.h"
#include "i2crc/train/named_state.h"

namespace i2crc {
namespace {

struct Update {
  float rate, momentum, weight_decay;
  bool nesterov;
};

// One pass over memory instead of the five that separate tensor operations take: an update is bound
// by bandwidth.
void UpdateOnCpu(at::Tensor& parameter, const at::Tensor& gradient, at::Tensor& momentum,
                 const Update& update) {
  float* p = parameter.data_ptr<float>();
  const float* g = gradient.data_ptr<float>();
  float* v = momentum.data_ptr<float>();
  at::parallel_for(0, parameter.numel(), 1 << 15, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const float decayed = g[i] + update.weight_decay * p[i];
      v[i] = update.momentum * v[i] + decayed;
      p[i] -= update.rate * (update.nesterov ? decayed + update.momentum * v[i] : v[i]);
    }
  });
}

void UpdateAnywhere(at::Tensor& parameter, const at::Tensor& gradient, at::Tensor& momentum,
                    const Update& update) {
  const at::Tensor decayed = gradient.add(parameter, update.weight_decay);
  momentum.mul_(update.momentum).add_(decayed);
  parameter.sub_(update.nesterov ? decayed.add(momentum, update.momentum) : momentum, update.rate);
}

// A float is finite unless its exponent is all ones. On the bits the loop runs through memory as
// fast as it can be read.
bool IsFiniteOnCpu(const at::Tensor& tensor) {
  constexpr uint32_t kExponent = 0x7f800000;
  const float* values = tensor.data_ptr<float>();
  std::atomic<bool> finite{true};
  at::parallel_for(0, tensor.numel(), 1 << 15, [&](int64_t begin, int64_t end) {
    bool found = false;
    for (int64_t i = begin; i < end; ++i)
      found |= (std::bit_cast<uint32_t>(values[i]) & kExponent) == kExponent;
    if (found) finite = false;
  });
  return finite;
}

}  // namespace

Sgd::Sgd(std::vector<NamedParameter> parameters, const SgdOptions& options,
         const std::function<double(const NamedParameter&)>& rate_factor)
    : options_(options) {
  for (NamedParameter& parameter : parameters) {
    const double factor = rate_factor(parameter);
    // Laid out as the parameter is, so that both run through memory in step.
    at::Tensor momentum = torch::zeros_like(parameter.value, at::MemoryFormat::Preserve).detach();
    slots_.push_back({std::move(parameter), std::move(momentum), factor});
  }
}

void Sgd::ZeroGradients() {
  for (Slot& slot : slots_) slot.parameter.value.mutable_grad().reset();
}

bool Sgd::GradientsAreFinite() const {
  return std::all_of(slots_.begin(), slots_.end(), [](const Slot& slot) {
    const at::Tensor& gradient = slot.parameter.value.grad();
    if (!gradient.defined()) return true;
    if (gradient.is_cuda() || !gradient.is_non_overlapping_and_dense())
      return gradient.isfinite().all().item<bool>();
    return IsFiniteOnCpu(gradient);
  });
}

void Sgd::Step(double rate) {
  const torch::NoGradGuard no_grad;
  for (Slot& slot : slots_) {
    at::Tensor& parameter = slot.parameter.value;
    at::Tensor gradient = parameter.grad();
    if (!gradient.defined()) continue;
    const Update update = {static_cast<float>(rate * slot.rate_factor),
                           static_cast<float>(options_.momentum),
                           static_cast<float>(options_.weight_decay), options_.nesterov};
    if (parameter.is_cuda() || !parameter.is_non_overlapping_and_dense()) {
      UpdateAnywhere(parameter, gradient, slot.momentum, update);
      continue;
    }
    if (gradient.strides() != parameter.strides())
      gradient = torch::empty_like(parameter).copy_(gradient);
    ENSURE(slot.momentum.strides() == parameter.strides(), "momentum of {}", slot.parameter.name);
    UpdateOnCpu(parameter, gradient, slot.momentum, update);
  }
}

TensorMap Sgd::State() const {
  TensorMap state;
  for (const Slot& slot : slots_) AddNamed(state, slot.parameter.name, slot.momentum);
  return state;
}

void Sgd::LoadState(const TensorMap& state, const std::string& prefix, const std::string& file) {
  for (Slot& slot : slots_) LoadNamed(state, prefix + slot.parameter.name, file, slot.momentum);
}

}  // namespace i2crc
