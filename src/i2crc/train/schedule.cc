// SPDX-License-Identifier: Apache-2.0
#include "i2crc/train/schedule.h"

#include <algorithm>
#include <cmath>

namespace i2crc {

double StepRate(double rate, double factor, const std::vector<double>& milestones, int64_t epoch) {
  for (const double milestone : milestones)
    if (static_cast<double>(epoch) >= milestone) rate *= factor;
  return rate;
}

double PolynomialRate(double rate, double power, int64_t end, int64_t every, int64_t iteration) {
  const int64_t at = std::min(iteration - iteration % every, end);
  return rate * std::pow(1.0 - static_cast<double>(at) / static_cast<double>(end), power);
}

double WarmUp(int64_t iteration, int64_t iterations) {
  if (iteration >= iterations) return 1;
  return static_cast<double>(iteration + 1) / static_cast<double>(iterations);
}

}  // namespace i2crc
