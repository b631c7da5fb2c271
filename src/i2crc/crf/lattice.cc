// SPDX-License-Identifier: Apache-2.0
#include "i2crc/crf/lattice.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <span>
#include <stdexcept>
#include <string>

#include "i2crc/crf/chains.h"
#include "i2crc/crf/kernels.h"
#include "i2crc/crf/simplex_source.h"
#include "i2crc/crf/vertex_keys.h"
#include "i2crc/crf/vertices.h"
#include "i2crc/threads/team.h"

namespace i2crc::crf {
namespace {

// Entries of a list that are worked on in one piece.
constexpr uint32_t kPiece = 8192;
}  // namespace

// What building needs and the lattice does not; kept for the next one.
struct LatticeBuilder::Scratch {
  // Of one axis.
  struct Neighbours {
    AlignedVector<uint32_t> next;         // [vertices]: key⁺, or kNoVertex
    AlignedVector<uint8_t> has_previous;  // [vertices + 1]
    AlignedVector<uint32_t> heads;
  };

  AlignedVector<float> tail;  // [d][kLanePoints]: features of the last block
  SimplexList simplices;
  NarrowVerticesMemory table1;
  VertexTableMemory<2> table2;
  VertexTableMemory<4> table4;
  VertexTableMemory<16> table16;
  std::vector<Neighbours> neighbours;  // [d + 1]
  AlignedVector<uint32_t> at;          // [vertices + 1]: where a vertex's corners begin
  AlignedVector<float> values;         // [vertices]: L(1) as it is splatted, then blurred
  AlignedVector<float> ones;           // [points]
};

namespace {

// Work on points is shared out in chunks of so many.
constexpr int64_t kChunk = 4096;

// work(begin, end) for all points, by the team.
template <typename Work>
void ForChunks(Team& team, int64_t points, const Work& work) {
  team.ForEach((points + kChunk - 1) / kChunk, [&](int64_t chunk) {
    work(static_cast<size_t>(chunk * kChunk),
         static_cast<size_t>(std::min(points, (chunk + 1) * kChunk)));
  });
}

// In place, along the chains of all axes.
void BlurOnes(const Lattice& lattice, std::span<float> values) {
  for (const ChainList& chains : lattice.chains) {
    constexpr float kGoesOn[2] = {1.0F, 0.0F};
    float before = 0;
    const uint32_t count = chains.pieces.empty() ? 0 : chains.pieces.back();
    for (uint32_t e = 0; e < count; ++e) {
      const uint32_t entry = chains.entries[e];
      const float goes_on = kGoesOn[entry & 1];
      const float middle = values[entry >> 1];
      const float after = values[chains.entries[e + 1] >> 1];
      values[entry >> 1] = middle + 0.5F * (before + goes_on * after);
      before = goes_on * middle;
    }
  }
}

// kCorners: how many there are, or 0 where `count` says it.
template <size_t kCorners>
void SliceOnes(const Corner* slice, size_t count, std::span<const float> values,
               std::span<float> ones) {
  for (float& one : ones) {
    float sum = 0;
    for (size_t k = 0; k < (kCorners > 0 ? kCorners : count); ++k)
      sum += slice[k].weight * values[slice[k].index];
    one = sum;
    slice += kCorners > 0 ? kCorners : count;
  }
}

// Z = L(1) at every point, without the lattice's factor, and the largest value of a vertex.
// values: what the points' ones are splatted to.
float FilterOnes(const Lattice& lattice, const Kernels& kernels, Team& team,
                 std::span<float> values, AlignedVector<float>& ones) {
  BlurOnes(lattice, values);
  ones.resize(static_cast<size_t>(lattice.points));
  const size_t corners = static_cast<size_t>(lattice.dims) + 1;
  ForChunks(team, lattice.points, [&](size_t begin, size_t end) {
    const Corner* slice = &lattice.slice[begin * corners];
    const std::span<float> to(&ones[begin], end - begin);
    // Five features are what photographs have.
    if (corners == 6) {
      SliceOnes<6>(slice, corners, values, to);
    } else {
      SliceOnes<0>(slice, corners, values, to);
    }
  });
  return kernels.bounds(values.data(), lattice.vertices).most;
}

// What a weight is multiplied with: [points], the lattice's factor among them.
struct Folding {
  Normalization normalization;
  float lattice_factor;
  float lattice_factor_root;
  float keeps_small;  // a power of two, to be taken away again

  Folding(Normalization given, const Lattice& lattice, float least_one, float largest_value)
      : normalization(given),
        lattice_factor(LatticeFactor(lattice.dims)),
        lattice_factor_root(std::sqrt(lattice_factor)),
        keeps_small(1) {
    // The least Z has the largest factor before.
    float bound = largest_value * Of(least_one).before;
    for (; bound >= Lattice::kLargestValue; bound *= 0.5F) keeps_small *= 0.5F;
  }
  Factors Of(float one) const {
    const Factors factors = FactorsFor(normalization, one * lattice_factor);
    if (IsSymmetric()) {
      const float both = factors.before * lattice_factor_root;
      return {both, both};
    }
    return {factors.before * keeps_small, factors.after * lattice_factor / keeps_small};
  }
  bool IsSymmetric() const {
    return normalization == Normalization::kSymmetric && keeps_small == 1.0F;
  }
};

// Where the corners of each vertex begin in splat, and where it may be cut.
void PlanSplat(AlignedVector<uint32_t>& at, Lattice& lattice) {
  const auto vertices = static_cast<uint32_t>(lattice.vertices);
  at.assign(size_t{vertices} + 1, 0);
  const size_t corners =
      static_cast<size_t>(lattice.points) * (static_cast<size_t>(lattice.dims) + 1);
  for (size_t c = 0; c < corners; ++c) ++at[lattice.slice[c].index + 1];
  lattice.splat_pieces.assign(1, 0);
  lattice.splat_vertices.assign(1, 0);
  for (uint32_t v = 1; v <= vertices; ++v) {
    at[v] += at[v - 1];
    if (at[v] < lattice.splat_pieces.back() + kPiece && v < vertices) continue;
    lattice.splat_pieces.push_back(at[v]);
    lattice.splat_vertices.push_back(v);
  }
  lattice.splat.resize(at[vertices] + Lattice::kPadding);
  std::fill_n(lattice.splat.end() - Lattice::kPadding, Lattice::kPadding, Corner{0, 0.0F});
}

// Folds the factors into the weights of slice, which are splat's as well.
void Fold(const Folding& folding, Team& team, std::span<const float> ones, Lattice& lattice) {
  const size_t corners = static_cast<size_t>(lattice.dims) + 1;
  ForChunks(team, lattice.points, [&](size_t begin, size_t end) {
    Corner* corner = &lattice.slice[begin * corners];
    for (size_t p = begin; p < end; ++p) {
      const float factor = folding.Of(ones[p]).after;
      for (size_t k = 0; k < corners; ++k) (corner++)->weight *= factor;
    }
  });
}

// Folds the factors into the weights, and turns slice round into splat.
void FoldAndMakeSplat(const Folding& folding, std::span<const float> ones,
                      AlignedVector<uint32_t>& at, Lattice& lattice) {
  const uint32_t corners = static_cast<uint32_t>(lattice.dims) + 1;
  PlanSplat(at, lattice);
  for (uint32_t p = 0, c = 0; p < lattice.points; ++p) {
    const Factors factors = folding.Of(ones[p]);
    for (uint32_t k = 0; k < corners; ++k, ++c) {
      Corner& corner = lattice.slice[c];
      lattice.splat[at[corner.index]++] = {p * 2, corner.weight * factors.before};
      corner.weight *= factors.after;
    }
  }
  for (size_t v = 0; v < static_cast<size_t>(lattice.vertices); ++v)
    lattice.splat[at[v] - 1].index |= 1;
}

}  // namespace

LatticeBuilder::LatticeBuilder(const Kernels& kernels, Team& team)
    : kernels_(kernels), team_(team), scratch_(std::make_unique<Scratch>()) {}
LatticeBuilder::~LatticeBuilder() = default;

template <typename Vertices>
void LatticeBuilder::Connect(const Vertices& vertices, Lattice& lattice) {
  lattice.vertices = vertices.size();
  const size_t axes = static_cast<size_t>(lattice.dims) + 1;
  lattice.chains.resize(axes);
  scratch_->neighbours.resize(std::max(axes, scratch_->neighbours.size()));
  team_.ForEach(static_cast<int64_t>(axes), [&](int64_t axis) {
    Scratch::Neighbours& on_axis = scratch_->neighbours[static_cast<size_t>(axis)];
    on_axis.next.resize(vertices.size());
    on_axis.has_previous.resize(size_t{vertices.size()} + 1);
    vertices.FindNeighbours(lattice.dims, static_cast<int>(axis), on_axis.next,
                            on_axis.has_previous);
    MakeChains(kernels_, on_axis.next, on_axis.has_previous, on_axis.heads,
               lattice.chains[static_cast<size_t>(axis)]);
  });
}

void LatticeBuilder::MeetNarrowVertices(const SimplexSource& source, const FieldPlan& plan,
                                        Lattice& lattice) {
  NarrowVertices vertices(scratch_->table1, kernels_, plan, lattice.points);
  vertices.Meet(source, scratch_->values, lattice.slice.data());
  Connect(vertices, lattice);
}

template <size_t kWords>
void LatticeBuilder::MeetWideVertices(VertexTableMemory<kWords>& memory, const FieldPlan& plan,
                                      Lattice& lattice) {
  WideVertices<kWords> vertices(memory, plan, lattice.points);
  vertices.Meet(scratch_->simplices, scratch_->values, lattice);
  Connect(vertices, lattice);
}

// Photographs need one word; the others are for many or finely spread features.
void LatticeBuilder::MeetVertices(const SimplexSource& source, Lattice& lattice) {
  if (const auto plan = PlanNarrowFields(source)) return MeetNarrowVertices(source, *plan, lattice);
  ComputeSimplices(source, scratch_->simplices, lattice.slice.data());
  const FieldPlan plan = PlanFields(scratch_->simplices.cells, lattice.dims);
  if (plan.words == 1) return MeetNarrowVertices(source, plan, lattice);
  if (plan.words == 2) return MeetWideVertices(scratch_->table2, plan, lattice);
  if (plan.words <= 4) return MeetWideVertices(scratch_->table4, plan, lattice);
  MeetWideVertices(scratch_->table16, plan, lattice);
}

void LatticeBuilder::Build(const float* features, int dims, int64_t points,
                           Normalization normalization, bool may_scatter, Lattice& lattice) {
  if (dims < 1 || dims > kMaxDims)
    throw std::invalid_argument("features: " + std::to_string(dims) + " of them; 1 to " +
                                std::to_string(kMaxDims) + " are possible");
  const int64_t most = (int64_t{1} << 30) / (dims + 1);
  if (points < 1 || points > most)
    throw std::invalid_argument("features: " + std::to_string(points) + " points of " +
                                std::to_string(dims) + " features; 1 to " + std::to_string(most) +
                                " are possible");
  lattice.dims = dims;
  lattice.points = points;
  const size_t corners = static_cast<size_t>(points) * (static_cast<size_t>(dims) + 1);
  lattice.slice.resize(corners + Lattice::kPadding);
  std::fill_n(lattice.slice.end() - Lattice::kPadding, Lattice::kPadding, Corner{0, 0.0F});
  MeetVertices(SimplexSource(kernels_, features, dims, points), lattice);
  const float largest_value =
      FilterOnes(lattice, kernels_, team_, scratch_->values, scratch_->ones);
  const float least_one = kernels_.bounds(scratch_->ones.data(), points).least;
  const Folding folding(normalization, lattice, least_one, largest_value);
  lattice.scatters = may_scatter && folding.IsSymmetric();
  if (lattice.scatters) {
    lattice.splat.clear();
    Fold(folding, team_, scratch_->ones, lattice);
  } else {
    FoldAndMakeSplat(folding, scratch_->ones, scratch_->at, lattice);
  }
}

}  // namespace i2crc::crf
