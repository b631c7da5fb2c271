// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "i2crc/crf/instruction_set.h"
#include "i2crc/crf/normalization.h"

namespace i2crc::crf {

// How marginals and lattice values are kept between the passes; sums are always floats. kPacked: 24
// bits, 18 of them mantissa, so that 21 labels fit into a cache line (not in the portable
// instruction set). kAuto: kPacked where there are more than 16 labels and the machine can, else
// kSingle.
enum class Precision { kAuto, kSingle, kPacked };

// What the filtered marginals of a pairwise term add to the energies. A weight w stands for −w·I
// (Potts: the same label's mass lowers its energy), a vector for a diagonal matrix, a matrix M for
// ½(M + Mᵀ), both with their own sign.
class Compatibility {
 public:
  static Compatibility Potts(float weight);
  static Compatibility PerLabel(std::vector<float> diagonal);  // [L]
  static Compatibility Matrix(std::vector<float> matrix);      // [L, L], row by row

  // The diagonal for L labels, empty where it is a true matrix. Throws std::invalid_argument named
  // "compat" where the size does not fit L or a value is beyond ±1e9.
  std::vector<float> Diagonal(int labels) const;
  // ½(M + Mᵀ) [L, L]. Throws like Diagonal.
  std::vector<float> Symmetric(int labels) const;

 private:
  enum class Kind { kPotts, kPerLabel, kMatrix };
  Compatibility(Kind kind, std::vector<float> values) : kind_(kind), values_(std::move(values)) {}
  Kind kind_;
  std::vector<float> values_;
};

struct DenseCrfOptions {
  // For one image, at most kMostThreads; 0: all cores. Fewer do where no more can be started. The
  // bytes do not depend on it.
  int threads = 1;
  InstructionSet instruction_set = InstructionSet::kBest;
  Precision precision = Precision::kAuto;
};

// Where the time of one object has gone, in seconds.
struct DenseCrfTimes {
  double build = 0;  // lattices and their normalisation
  double splat = 0;
  double blur = 0;
  double update = 0;   // slice, energies and softmax: one pass
  double convert = 0;  // unary in, marginals out
};

// A fully connected conditional random field (Krähenbühl and Koltun 2011), solved by mean field
// with Gaussian kernels through the permutohedral lattice: ALGORITHM.md, "The dense CRF in detail".
//
// One object serves many images one after the other, keeping its memory and the lattices of
// Gaussian terms of sizes it has seen. It is no more thread-safe than a vector; several objects may
// work at once. All arrays are row by row. Every function throws std::invalid_argument, with the
// argument's name in front, for what is described with its argument, and std::logic_error where it
// is called out of order.
class DenseCrf {
 public:
  explicit DenseCrf(const DenseCrfOptions& options = {});
  ~DenseCrf();
  DenseCrf(DenseCrf&&) noexcept;
  DenseCrf& operator=(DenseCrf&&) noexcept;

  // A new problem without unary and pairwise terms: L labels ≥ 1, on a grid of height × width
  // pixels, or on points without a grid (height 1). At most 2^27 pixels, 2^16 labels and 2^31
  // values.
  void Reset(int labels, int height, int width);

  // energy [L, H, W], at least −1e18; +∞ where a label cannot be.
  void SetUnary(std::span<const float> energy);
  // −log(clip(probability, clip, 1)); probability [L, H, W], finite, ≥ 0; 0 < clip ≤ 1. Sums near 1
  // are enough.
  void SetProbability(std::span<const float> probability, float clip = 1e-5F);

  // Gaussian kernel over positions; σ > 0, finite, in pixels.
  void AddGaussian(float sigma_x, float sigma_y, const Compatibility& compatibility,
                   Normalization normalization = Normalization::kSymmetric);
  // Gaussian kernel over positions and colours; rgb [H, W, 3], 0…255; σ > 0, finite.
  void AddBilateral(float sigma_x, float sigma_y, const std::array<float, 3>& sigma_rgb,
                    std::span<const uint8_t> rgb, const Compatibility& compatibility,
                    Normalization normalization = Normalization::kSymmetric);
  // Gaussian kernel of σ 1 over features [dims, H, W], finite, 1 ≤ dims ≤ 32.
  void AddFeatures(std::span<const float> features, int dims, const Compatibility& compatibility,
                   Normalization normalization = Normalization::kSymmetric);

  // Mean field from softmax(−unary), iterations ≥ 0.
  void Infer(int iterations);
  // The same, and KL(Q) up to a constant after 0, 1 … iterations.
  std::vector<double> InferWithDivergence(int iterations);

  // The same step by step: Start, then Step for each iteration.
  void Start();
  void Step();
  // Goes on from marginals [L, H, W] of the caller's, 0 … 2.
  void SetMarginals(std::span<const float> marginals);
  // KL(Q) of the marginals as they are.
  double Divergence();

  // marginals [L, H, W].
  void Marginals(std::span<float> marginals) const;
  // The label with the largest marginal, the first on a tie; labels [H, W].
  void ArgMax(std::span<int32_t> labels) const;

  // That work on an image: as many as were asked for, or as could be started.
  int threads() const;
  int labels() const;
  int height() const;
  int width() const;
  int64_t pixels() const { return int64_t{height()} * width(); }
  const DenseCrfTimes& times() const;
  // Vertices of the lattices of the terms, in the order of adding.
  std::vector<int64_t> lattice_sizes() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// The field's settings, applied to a problem whose unary is set. rgb [H, W, 3].
enum class Preset { kDeeplab, kPsa, kIrn };
struct PairwiseSettings {
  float gaussian_sigma = 1;
  float gaussian_weight = 3;
  float bilateral_sigma_xy = 67;
  float bilateral_sigma_rgb = 3;
  float bilateral_weight = 4;
  int iterations = 10;
};
// deeplab: ALGORITHM.md stage 4. psa: AffinityNet's (Ahn and Kwak 2018). irn: IRNet's (Ahn et al.
// 2019), whose unary comes from labels with certainty 0.7.
PairwiseSettings SettingsOf(Preset preset);
void AddTerms(DenseCrf& crf, const PairwiseSettings& settings, std::span<const uint8_t> rgb);

// Calls work(crf, i) for i in 0 … count − 1, on as many threads (at most kMostThreads; 0: all
// cores), or on those that can be started, each with its own DenseCrf. What the first failing i
// threw is thrown at the end.
void ForEachImage(int64_t count, int threads, const DenseCrfOptions& options,
                  const std::function<void(DenseCrf& crf, int64_t i)>& work);

}  // namespace i2crc::crf
