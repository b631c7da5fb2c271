// SPDX-License-Identifier: Apache-2.0
// What the dense CRF is measured against: the permutohedral lattice as it was published (Adams,
// Baek, Davis 2010) and the mean field on it (Krähenbühl and Koltun 2011), on one thread. A hash
// table finds the vertices, each holds one vector of floats, one for a label, and every pass
// handles all labels. Written to be read; nothing in it is slower than that needs.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace i2crc::bench {

// Where the time went, in seconds.
struct PlainTimes {
  double build = 0;  // lattices and their normalisation
  double splat = 0;
  double blur = 0;
  double slice = 0;
  double update = 0;  // energies and softmax
};

class PlainLattice {
 public:
  // features [points][dims], each divided by its σ.
  PlainLattice(std::span<const float> features, int dims);

  int64_t points() const { return points_; }
  int64_t vertices() const { return vertices_; }
  int dims() const { return dims_; }
  // How many vertices have a neighbour on the axis, 0 … dims.
  int64_t Connected(int axis) const;

  // out = slice(blur(splat(in))); both [points][labels]. Adds to splat, blur and slice of times.
  void Filter(const std::vector<float>& in, int labels, std::vector<float>& out, PlainTimes& times);

 private:
  struct Neighbours {
    uint32_t plus;  // 0: there is none
    uint32_t minus;
  };

  void Splat(const std::vector<float>& in, int labels);
  void Blur(int labels);
  void Slice(int labels, std::vector<float>& out) const;

  int dims_;
  int64_t points_;
  int64_t vertices_ = 0;
  // Vertices are numbered from 1; row 0 of the values is the 0 that stands for a missing neighbour.
  std::vector<uint32_t> corners_;       // [points][dims + 1]
  std::vector<float> weights_;          // [points][dims + 1]
  std::vector<Neighbours> neighbours_;  // [dims + 1][vertices]
  std::vector<float> values_;           // [1 + vertices][labels]
  std::vector<float> blurred_;
};

// Potts compatibility and symmetric normalisation only.
class PlainCrf {
 public:
  PlainCrf(int labels, int height, int width);

  // energy [L, H, W].
  void SetUnary(std::span<const float> energy);
  void AddGaussian(float sigma, float weight);
  // rgb [H, W, 3].
  void AddBilateral(float sigma_xy, float sigma_rgb, std::span<const uint8_t> rgb, float weight);
  void Infer(int iterations);

  // marginals [L, H, W].
  void Marginals(std::span<float> marginals) const;
  // The label with the largest marginal, the first on a tie; labels [H, W].
  void ArgMax(std::span<int32_t> labels) const;

  const PlainTimes& times() const { return times_; }
  const PlainLattice& lattice(size_t term) const { return terms_[term].lattice; }

 private:
  struct Term {
    PlainLattice lattice;
    float weight;
    std::vector<float> scale;  // 1 / sqrt(filter of ones), a pixel
  };

  void AddTerm(std::span<const float> features, int dims, float weight);
  void Softmax();

  int labels_;
  int height_;
  int width_;
  std::vector<Term> terms_;
  // All [pixels][labels].
  std::vector<float> negative_unary_;
  std::vector<float> energy_;  // negated
  std::vector<float> marginals_;
  std::vector<float> filtered_;
  PlainTimes times_;
};

}  // namespace i2crc::bench
