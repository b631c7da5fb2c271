// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <string>
#include <vector>

#include "i2crc/core/image.h"
#include "i2crc/nn/network.h"

namespace i2crc {

// A photograph through a network, seen once or in several ways.

// A view of the image, f32 [H, W, 3], as a batch of one, [1, 3, H, W] channels-last.
at::Tensor AsBatch(const ImageF32& image);

// run() of a batch and, with flip, its mean with run() of the mirror image: for what has no place
// in the image.
at::Tensor MeanOfViews(const at::Tensor& images, bool flip,
                       const std::function<at::Tensor(const at::Tensor&)>& run);

// Probabilities f32 [labels, H, W] of a normalised photograph in its own size, on the CPU: logits
// enlarged (bilinear, align_corners = false), softmax, then the mean over the scales of the input
// and, with flip, over its mirror image.
at::Tensor AveragedProbabilities(Network& network, const ImageF32& normalised,
                                 const std::vector<double>& scales, bool flip,
                                 const std::string& device);

}  // namespace i2crc
