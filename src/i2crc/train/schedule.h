// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

namespace i2crc {

// Learning rate of stage 1: rate × factor^(number of milestones reached); milestones are epochs
// counted from 0, in force from their start.
double StepRate(double rate, double factor, const std::vector<double>& milestones, int64_t epoch);

// Learning rate of stage 4 in force after `iteration` optimiser steps: rate·(1 − it/end)^power with
// it rounded down to a multiple of `every` (ALGORITHM.md: changed only at every 10th iteration). 0
// from the end on.
double PolynomialRate(double rate, double power, int64_t end, int64_t every, int64_t iteration);

// What the rate is multiplied with while a training warms up: (iteration + 1) / iterations, then 1
// (Goyal et al. 2017).
double WarmUp(int64_t iteration, int64_t iterations);

}  // namespace i2crc
