// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "i2crc/core/image.h"
#include "i2crc/nn/checkpoint.h"
#include "i2crc/pipeline/common_options.h"
#include "i2crc/pipeline/image_set.h"

namespace i2crc {

// What cam and predict do alike.

// The network of a checkpoint, on its device and in its precision. classes: a file of other names,
// or empty. Throws what LoadCheckpoint throws.
LoadedNetwork LoadNetwork(const std::filesystem::path& checkpoint, NetworkKind kind,
                          const std::filesystem::path& classes, const ComputeOptions& compute);

void SetPrecisionAndDevice(Network& network, const ComputeOptions& compute);

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

// run() on one photograph. Throws Error "PHOTOGRAPH: cause" where the network fails on it (too
// small, no memory) or its output is not finite.
at::Tensor OnPhotograph(const CheckedImage& image, const std::function<at::Tensor()>& run);

}  // namespace i2crc
