// SPDX-License-Identifier: Apache-2.0
#include "i2crc/crf/unary.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>

namespace i2crc::crf {
namespace {

// More values than any array can have; products stay far from overflowing below it.
constexpr int64_t kMaxValues = int64_t{1} << 40;

[[noreturn]] void Bad(const std::string& argument, const std::string& what) {
  throw std::invalid_argument(argument + ": " + what);
}

void CheckSigma(const char* argument, std::span<const double> sigma) {
  for (const double value : sigma) {
    if (!(value > 0) || !std::isfinite(value)) {
      Bad(argument, "must be greater than 0 and finite, got " + std::to_string(value));
    }
  }
}

int64_t PointsOf(std::span<const int64_t> shape) {
  int64_t points = 1;
  for (const int64_t length : shape) {
    if (length < 0) Bad("shape", "must not be negative, got " + std::to_string(length));
    if (length > 0 && points > kMaxValues / length) Bad("shape", "too large");
    points *= length;
  }
  return points;
}

template <class Value>
std::vector<float> FromSoftmax(std::span<const Value> probability, int planes,
                               std::optional<double> scale, std::optional<double> clip) {
  if (planes < 1) Bad("planes", "must be at least 1, got " + std::to_string(planes));
  if (probability.size() % static_cast<size_t>(planes) != 0) {
    Bad("probability", "its size must be a multiple of planes");
  }
  if (scale && !(*scale > 0 && *scale <= 1)) {
    Bad("scale", "must be in (0, 1], got " + std::to_string(*scale));
  }
  if (clip && !(*clip > 0 && *clip <= 1)) {
    Bad("clip", "must be in (0, 1], got " + std::to_string(*clip));
  }
  const double factor = scale.value_or(1), uniform = (1 - factor) / planes;
  std::vector<float> energy(probability.size());
  for (size_t i = 0; i < probability.size(); ++i) {
    const double value = factor * double{probability[i]} + uniform;
    if (!std::isfinite(value)) Bad("probability", "must be finite, element " + std::to_string(i));
    if (!clip && value < 0) {
      Bad("probability", "must not be negative without a clip, element " + std::to_string(i));
    }
    // + 0 turns the −0 of a probability of 1 into 0.
    energy[i] = static_cast<float>(-std::log(clip ? std::clamp(value, *clip, 1.0) : value) + 0.0);
  }
  return energy;
}

}  // namespace

std::vector<float> UnaryFromLabels(std::span<const int32_t> labels, int planes, double certainty,
                                   bool zero_unsure) {
  if (planes < 2) Bad("planes", "must be at least 2, got " + std::to_string(planes));
  if (!(certainty > 0 && certainty < 1)) {
    Bad("certainty", "must be in (0, 1), got " + std::to_string(certainty));
  }
  const int last = zero_unsure ? planes : planes - 1;
  const auto own = static_cast<float>(-std::log(certainty));
  const auto other = static_cast<float>(-std::log((1 - certainty) / (planes - 1)));
  const auto unsure = static_cast<float>(std::log(planes));
  const size_t points = labels.size();
  std::vector<float> energy(points * static_cast<size_t>(planes), other);
  for (size_t i = 0; i < points; ++i) {
    const int32_t label = labels[i];
    if (label < 0 || label > last) {
      Bad("labels", "must be 0…" + std::to_string(last) + ", got " + std::to_string(label));
    }
    if (zero_unsure && label == 0) {
      for (size_t k = 0; k < static_cast<size_t>(planes); ++k) energy[k * points + i] = unsure;
    } else {
      energy[static_cast<size_t>(zero_unsure ? label - 1 : label) * points + i] = own;
    }
  }
  return energy;
}

std::vector<float> UnaryFromSoftmax(std::span<const float> probability, int planes,
                                    std::optional<double> scale, std::optional<double> clip) {
  return FromSoftmax(probability, planes, scale, clip);
}

std::vector<float> UnaryFromSoftmax(std::span<const double> probability, int planes,
                                    std::optional<double> scale, std::optional<double> clip) {
  return FromSoftmax(probability, planes, scale, clip);
}

std::vector<float> GaussianFeatures(std::span<const double> sigma, std::span<const int64_t> shape) {
  return BilateralFeatures(sigma, {}, shape, {});
}

std::vector<float> BilateralFeatures(std::span<const double> sigma,
                                     std::span<const double> sigma_channels,
                                     std::span<const int64_t> shape,
                                     std::span<const float> channels) {
  CheckSigma("sigma", sigma);
  CheckSigma("sigma_channels", sigma_channels);
  if (sigma.size() != shape.size()) {
    Bad("sigma", "one value an axis of shape, got " + std::to_string(sigma.size()) + " for " +
                     std::to_string(shape.size()));
  }
  const int64_t points = PointsOf(shape);
  const auto rows = static_cast<int64_t>(sigma.size() + sigma_channels.size());
  if (rows > 0 && points > kMaxValues / rows) Bad("shape", "too large");
  if (static_cast<int64_t>(channels.size()) !=
      points * static_cast<int64_t>(sigma_channels.size())) {
    Bad("channels", "must have " + std::to_string(sigma_channels.size()) + " times " +
                        std::to_string(points) + " values, got " + std::to_string(channels.size()));
  }
  std::vector<float> features;
  features.reserve(static_cast<size_t>(rows * points));
  int64_t inner = points;  // points that one index along the axis covers
  for (size_t axis = 0; axis < shape.size() && points > 0; ++axis) {
    inner /= shape[axis];
    for (int64_t i = 0; i < points; ++i) {
      const auto index = static_cast<float>(i / inner % shape[axis]);
      features.push_back(index / static_cast<float>(sigma[axis]));
    }
  }
  const auto size = static_cast<size_t>(points);
  for (size_t c = 0; c < sigma_channels.size(); ++c) {
    for (const float value : channels.subspan(c * size, size)) {
      if (!std::isfinite(value)) Bad("channels", "must be finite");
      features.push_back(value / static_cast<float>(sigma_channels[c]));
    }
  }
  return features;
}

}  // namespace i2crc::crf
