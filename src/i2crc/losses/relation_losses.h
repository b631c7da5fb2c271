// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>

namespace i2crc {

// Weights of the relation losses beside the classification loss (ALGORITHM.md, stage 1). With all
// three 0 what is left is the plain CAM baseline.
struct RelationLossWeights {
  double intra_foreground = 0.01;
  double intra_background = 0.025;
  double inter = 0.1;
};

struct RelationLossValues {
  double classification = 0;
  double intra_foreground = 0;
  double intra_background = 0;
  double inter = 0;
  double total = 0;  // classification + the weighted others
  // Images of the batch with exactly one tag; where it is 0 the three relation losses are 0.
  int single_tag_images = 0;
};

// A batch of score maps and what they are compared with; all row-major.
struct RelationLossInput {
  int images = 0;                               // N
  int classes = 0;                              // C
  int height = 0, width = 0;                    // h, w of the score maps
  int saliency_height = 0, saliency_width = 0;  // H, W
  std::span<const float> scores;                // [N, C, h, w], straight from the last convolution
  std::span<const uint8_t> saliency;            // [N, H, W], 255 = salient
  std::span<const uint8_t> tags;                // [N, C], 0 or 1
};

// The losses of stage 1 and, in gradient [N, C, h, w], the gradient of their total with respect to
// the scores.
//
// The scores are never enlarged to the saliency's size: enlargement U is linear, so Σ M·Ux =
// (UᵀM)·x, and Σ M²(Ux)² = xᵀ(Uᵀ diag(M²) U)x, whose matrix couples only neighbouring nodes of the
// score map. All sums are in double.
RelationLossValues RelationLosses(const RelationLossInput& input,
                                  const RelationLossWeights& weights, std::span<float> gradient);

}  // namespace i2crc
