// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace i2crc::crf {

// Unary energies and features as pydensecrf's helpers make them (ALGORITHM.md, "pydensecrf's
// helpers"). All arrays are row by row. Every function throws std::invalid_argument, the argument's
// name in front.

// labels [N] → energies [planes, N], planes ≥ 2. With a certainty g in (0, 1) the label's own plane
// gets −log g, the others −log((1 − g)/(planes − 1)). zero_unsure: label 0 means unsure (log planes
// in every plane) and label k > 0 belongs to plane k − 1; else label k to plane k.
std::vector<float> UnaryFromLabels(std::span<const int32_t> labels, int planes, double certainty,
                                   bool zero_unsure = true);

// probability [planes, N], finite → −log(clip(s·p + (1 − s)/planes, clip, 1)), with s = 1 without a
// scale, else 0 < s ≤ 1; 0 < clip ≤ 1. Without a clip −log(s·p + (1 − s)/planes) of values ≥ 0,
// which is infinite for 0.
std::vector<float> UnaryFromSoftmax(std::span<const float> probability, int planes,
                                    std::optional<double> scale = std::nullopt,
                                    std::optional<double> clip = 1e-5);
std::vector<float> UnaryFromSoftmax(std::span<const double> probability, int planes,
                                    std::optional<double> scale = std::nullopt,
                                    std::optional<double> clip = 1e-5);

// Positions on a grid of any dimension, [dims, N]: index along axis a / sigma[a], the axes in the
// order of shape (for an image y, x), its last running fastest. sigma > 0 and finite, one an axis.
std::vector<float> GaussianFeatures(std::span<const double> sigma, std::span<const int64_t> shape);

// The same and, after it, channels [channels, N] / sigma_channels, one a channel.
std::vector<float> BilateralFeatures(std::span<const double> sigma,
                                     std::span<const double> sigma_channels,
                                     std::span<const int64_t> shape,
                                     std::span<const float> channels);

}  // namespace i2crc::crf
