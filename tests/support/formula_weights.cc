// SPDX-License-Identifier: Apache-2.0
// Compiled with -ffp-contract=off like everything here: each product and sum is rounded for itself.
#include "support/formula_weights.h"

#include <cmath>
#include <cstring>

namespace i2crc::testing {
namespace {

double Unit(int64_t i, int64_t k) {
  const double t =
      std::sin(12.9898 * static_cast<double>(i) + 78.233 * static_cast<double>(k + 1)) * 43758.5453;
  return t - std::floor(t);
}

}  // namespace

Tensor FormulaTensor(const std::string& name, const std::vector<int64_t>& shape, int64_t k) {
  if (name.ends_with("num_batches_tracked"))
    return {DType::kI64, {}, std::vector<std::byte>(sizeof(int64_t))};
  int64_t elements = 1;
  for (const int64_t n : shape) elements *= n;
  const bool batch_norm_weight =
      shape.size() == 1 && name.ends_with(".weight");  // convolutions have four dimensions
  std::vector<float> values(static_cast<size_t>(elements));
  for (int64_t i = 0; i < elements; ++i) {
    const double u = Unit(i, k);
    double value = 0;
    if (name.ends_with("running_var")) {
      value = 0.5 + u;
    } else if (name.ends_with("running_mean")) {
      value = 0.2 * (u - 0.5);
    } else if (batch_norm_weight) {
      value = name.find("bn3") != std::string::npos ? 0.1 + 0.2 * u : 0.25 + 0.5 * u;
    } else if (shape.size() == 1) {
      value = 0.2 * (u - 0.5);
    } else {
      const double fan_in = static_cast<double>(elements / shape[0]);
      value = 2.6 * (u - 0.5) * std::sqrt(3.0 / fan_in);
    }
    values[static_cast<size_t>(i)] = static_cast<float>(value);
  }
  return Tensor::FromF32(shape, values);
}

}  // namespace i2crc::testing
