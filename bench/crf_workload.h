// SPDX-License-Identifier: Apache-2.0
// What the dense CRF is measured on.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "i2crc/core/image.h"

namespace i2crc::bench {

// A photograph with probabilities, and what the field's implementation makes of them.
struct CrfGolden {
  ImageU8 rgb;
  int labels = 0;
  std::vector<float> energy;     // [L, H, W]: −log(clip(probability, 1e-5, 1))
  std::vector<float> marginals;  // [L, H, W]
  std::vector<uint8_t> argmax;   // [H, W]
};

// nullopt where the file is not there. Throws Error for one that holds something else.
std::optional<CrfGolden> ReadCrfGolden(const std::string& name);

inline constexpr int kWorkloadHeight = 442;
inline constexpr int kWorkloadWidth = 500;

// 442 × 500 pixels: the photograph mirrored downwards, or where there is none a drawn scene, whose
// textures and noise give a lattice as large as a photograph's.
ImageU8 WorkloadImage(const std::optional<CrfGolden>& golden);
// The same image turned by `turns` of: left to right, upside down, both. For batches, whose images
// should not be in anybody's cache.
ImageU8 Mirrored(const ImageU8& image, int turns);

// Energies −log p [L, H, W] of a made prediction, and what it is like.
struct Prediction {
  std::vector<float> energy;
  double mean_largest = 0;  // of a pixel's probabilities
  double least_share = 0;   // pixels that the rarest label leads, of all pixels
  double most_share = 0;
};

// How MakePrediction makes it, in a sentence or two.
std::string PredictionText();
Prediction MakePrediction(int labels, int height, int width);

}  // namespace i2crc::bench
