// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "i2crc/nn/network.h"
#include "i2crc/weights/tensor.h"

namespace i2crc {

// The exponential average of a network's parameters over its steps (Tarvainen and Valpola 2017 call
// it the mean teacher): average = decay·average + (1 − decay)·parameter. What noisy labels pull to
// and fro it holds still. decay grows with the steps, min(decay, (1 + step)/(10 + step)), so that
// the start is soon forgotten.
class WeightAverage {
 public:
  // decay: 0 … 1, below 1. Begins at the network's present parameters.
  WeightAverage(Network& network, double decay);

  // After optimiser step number `step`, counted from 0.
  void Update(int64_t step);
  // Puts the average into the network.
  void Apply();

  // Named like the parameters.
  TensorMap State() const;
  // Throws Error "FILE: …" where one is missing or of another shape; prefix stands in front of the
  // names.
  void LoadState(const TensorMap& state, const std::string& prefix, const std::string& file);

 private:
  struct Slot {
    NamedParameter parameter;
    at::Tensor average;
  };
  std::vector<Slot> slots_;
  double decay_;
};

}  // namespace i2crc
