// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "i2crc/crf/normalization.h"

namespace i2crc::crf {

// The slow truth beside DenseCrf: the same mean field with sums over all pairs of points, in
// double; time O(N²) for every term, label and iteration. It is for measuring and testing, on small
// images: the field's published numbers contain the lattice's approximation, so it replaces
// nothing. A filter of the caller's may stand for the sums, which tells an error of the lattice
// from one of the mean field.
//
// Throws std::invalid_argument, with the argument's name in front, for what is described.
class ExactCrf {
 public:
  // values [rows, points] → filtered values of the same shape, each row for itself.
  using Filter = std::function<std::vector<double>(const std::vector<double>& values, int rows)>;

  // labels ≥ 1, points ≥ 1; unary energies [labels, points], finite.
  ExactCrf(int labels, int64_t points, std::vector<double> unary);

  // A Gaussian kernel of σ 1 over features [dims, points], dims ≥ 1, finite; a point's own term is
  // in its sum. compatibility M [labels, labels], row by row, finite, is used as ½(M + Mᵀ).
  void AddTerm(const std::vector<double>& features, int dims,
               const std::vector<double>& compatibility, Normalization normalization);
  void AddTerm(Filter filter, const std::vector<double>& compatibility,
               Normalization normalization);

  // Marginals [labels, points] after iterations ≥ 0 from softmax(−unary). divergence, where given,
  // gets KL(Q) up to a constant after 0, 1 … iterations.
  std::vector<double> Infer(int iterations, std::vector<double>* divergence = nullptr) const;

 private:
  struct Term {
    Filter filter;
    std::vector<double> compatibility;  // [labels, labels], symmetric
    std::vector<double> scale_before;   // [points]
    std::vector<double> scale_after;    // [points]
  };

  // Σ over terms of μ·F(marginals) [labels, points].
  std::vector<double> PairwiseEnergy(const std::vector<double>& marginals) const;
  std::vector<double> Softmax(const std::vector<double>& energy) const;
  double Divergence(const std::vector<double>& marginals,
                    const std::vector<double>& pairwise) const;

  size_t labels_;
  size_t points_;
  std::vector<double> unary_;
  std::vector<Term> terms_;
};

// Sums over all pairs with the kernel of ExactCrf::AddTerm.
ExactCrf::Filter ExactFilter(const std::vector<double>& features, int dims);

// What a Potts weight w stands for, −w·I, and a weight for each label: matrices for AddTerm.
std::vector<double> PottsMatrix(int labels, double weight);
std::vector<double> DiagonalMatrix(std::span<const double> diagonal);

// [2, H·W]: x/σx, y/σy; σ > 0.
std::vector<double> PositionFeatures(int height, int width, double sigma_x, double sigma_y);
// [5, H·W]: x/σx, y/σy, R/σR, G/σG, B/σB; rgb [H, W, 3].
std::vector<double> BilateralFeatures(int height, int width, double sigma_x, double sigma_y,
                                      const std::array<double, 3>& sigma_rgb,
                                      std::span<const uint8_t> rgb);

}  // namespace i2crc::crf
