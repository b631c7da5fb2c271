// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "i2crc/crf/aligned_vector.h"
#include "i2crc/crf/normalization.h"

namespace i2crc {
class Team;
}

namespace i2crc::crf {

struct Kernels;
class SimplexSource;
struct FieldPlan;
template <size_t kWords>
struct VertexTableMemory;

// A point's share in a vertex: an edge of the sparse matrices splat and slice.
struct Corner {
  uint32_t index;  // slice: the vertex; splat: the point · 2 + (1 at the vertex's last corner)
  float weight;    // barycentric, times what normalisation folds into it
};

// Where a loop over a list may be cut: the beginnings of its pieces, and its end. Empty where
// nothing is to do.
using Pieces = std::vector<uint32_t>;

// Vertices along one axis, chain after chain: vertex · 2 + (1 where the chain ends).
struct ChainList {
  AlignedVector<uint32_t> entries;
  Pieces pieces;  // positions in entries, each at the start of a chain
};

// The filter of N points with a Gaussian kernel of d features, by their permutohedral lattice
// (Adams, Baek, Davis 2010) and normalised: slice · blur_d · … · blur_0 · splat. ALGORITHM.md, "The
// dense CRF in detail", says which vertices, weights and order; the field's numbers depend on them.
// The lattice's factor 1/(1 + 2^−d) and the normalisation are part of the corners' weights, and so
// is a power of two that keeps every vertex's value below kLargestValue where marginals are at
// most 1.
//
// Nothing is hashed while filtering:
//  - splatting gathers, so that each vertex sums its points in the order of their numbers, whatever
//    the number of threads; or one thread scatters in that order, by slice's corners;
//  - blurring along an axis goes over chains of neighbours in place, and never touches a vertex
//    that has no neighbour on that axis;
//  - vertices are numbered in the order in which the points meet them.
// Behind the end of slice, splat and entries stand kPadding more that are harmless to prefetch.
struct Lattice {
  static constexpr size_t kPadding = 1024;
  static constexpr float kLargestValue = 0x1p20F;

  int dims = 0;
  int64_t points = 0;
  int64_t vertices = 0;

  AlignedVector<Corner> slice;    // [points][d + 1]
  bool scatters = false;          // slice's weights are splat's as well; splat is empty
  AlignedVector<Corner> splat;    // by vertex, then by point
  Pieces splat_pieces;            // positions in splat, each at a vertex's first corner
  Pieces splat_vertices;          // the vertices of these positions
  std::vector<ChainList> chains;  // of axis j at [j]; chains of one vertex are left out
};

// Builds lattices, one after the other, with the same memory.
class LatticeBuilder {
 public:
  // kernels: which instruction set computes the simplices and finds their vertices.
  LatticeBuilder(const Kernels& kernels, Team& team);
  ~LatticeBuilder();

  // features [d][points], each already divided by its σ; finite. Throws std::invalid_argument where
  // d is not in 1 … kMaxDims, there are too many points, or the features are spread so widely that
  // the lattice's coordinates are no exact floats. may_scatter: whether the list by vertices can be
  // left out where slice's weights allow it.
  void Build(const float* features, int dims, int64_t points, Normalization normalization,
             bool may_scatter, Lattice& lattice);

 private:
  struct Scratch;
  void MeetVertices(const SimplexSource& source, Lattice& lattice);
  void MeetNarrowVertices(const SimplexSource& source, const FieldPlan& plan, Lattice& lattice);
  template <size_t kWords>
  void MeetWideVertices(VertexTableMemory<kWords>& memory, const FieldPlan& plan, Lattice& lattice);
  template <typename Vertices>
  void Connect(const Vertices& vertices, Lattice& lattice);

  const Kernels& kernels_;
  Team& team_;
  std::unique_ptr<Scratch> scratch_;
};

}  // namespace i2crc::crf
