// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>

#include "i2crc/core/image.h"

namespace i2crc {

// Cross entropy of one level of logits against labels of the same size: mean over the pixels whose
// label is not 255 (ALGORITHM.md, stage 4). Writes the gradient of factor × loss. Without any valid
// pixel the loss and the gradient are 0.
//
// logits, gradient: [N, L, h, w]; labels: [N, h, w], each < L or 255 (Error where not). All sums in
// double.
//
// With tags, [N, L], 1 where a label is one of the image's tags (never background), a pixel may
// also be kAnyTagLabel or kTagOrBackgroundLabel: its loss is −log of what the labels that it may
// have get together (partial labels: Jin and Ghahramani 2002). So a horse beside a person is
// learned from horses that stand alone, and what looks like none of them must be the person.
double CrossEntropy(std::span<const float> logits, std::span<const uint8_t> labels, int images,
                    int label_count, int height, int width, double factor,
                    std::span<float> gradient, std::span<const uint8_t> tags = {});

}  // namespace i2crc
