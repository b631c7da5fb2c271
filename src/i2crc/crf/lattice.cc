// SPDX-License-Identifier: Apache-2.0
#include "i2crc/crf/lattice.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <span>
#include <stdexcept>
#include <string>
#include <type_traits>

#include "i2crc/crf/kernels.h"
#include "i2crc/crf/thread_team.h"
#include "i2crc/crf/vertex_table.h"

namespace i2crc::crf {
namespace {

// Entries of a list that are worked on in one piece.
constexpr uint32_t kPiece = 8192;
// Beyond it the cells of a point are no exact floats.
constexpr int32_t kLargestCell = 1 << 22;

// Where the field of a coordinate stands, and what is added to its values so that none is negative.
struct Field {
  int word;
  int bit;
  int32_t bias;
};

struct FieldPlan {
  std::array<Field, kMaxDims> fields;
  size_t words;
};

// From the simplices: cells in blocks [d][kLanePoints]. Throws std::invalid_argument where a cell
// is out of bounds.
FieldPlan PlanFields(std::span<const int32_t> cells, int dims) {
  std::array<int32_t, kMaxDims> least;
  std::array<int32_t, kMaxDims> most;
  least.fill(std::numeric_limits<int32_t>::max());
  most.fill(std::numeric_limits<int32_t>::min());
  const size_t row = kLanePoints;
  for (size_t at = 0; at < cells.size(); at += row) {
    const size_t i = at / row % static_cast<size_t>(dims);
    for (size_t lane = 0; lane < row; ++lane) {
      least[i] = std::min(least[i], cells[at + lane]);
      most[i] = std::max(most[i], cells[at + lane]);
    }
  }
  FieldPlan plan{};
  int word = 0;
  int bit = kResidueBits;
  for (size_t i = 0; i < static_cast<size_t>(dims); ++i) {
    if (least[i] < -kLargestCell || most[i] > kLargestCell)
      throw std::invalid_argument("features: more than " + std::to_string(kLargestCell) +
                                  " cells of the lattice from 0; a larger sigma is needed");
    // m_i is a cell or one less; a neighbour's one more or less.
    const int32_t bias = 2 - least[i];
    const int width = std::bit_width(static_cast<uint32_t>(most[i] + 1 + bias));
    if (bit + width > 64) {
      ++word;
      bit = 0;
    }
    plan.fields[i] = {word, bit, bias};
    bit += width;
  }
  plan.words = static_cast<size_t>(word) + 1;
  return plan;
}

}  // namespace

namespace {

// What the points bring to a vertex: how many corners, and the sum of their weights.
struct VertexLoad {
  uint32_t corners;
  float ones;
};

}  // namespace

// What building needs and the lattice does not; kept for the next one.
struct LatticeBuilder::Scratch {
  // Of one axis.
  struct Neighbours {
    AlignedVector<uint32_t> next;         // [vertices]: key⁺, or kNoVertex
    AlignedVector<uint8_t> has_previous;  // [vertices + 1]
    AlignedVector<uint32_t> heads;
  };

  // The simplices, in blocks of kLanePoints points, the last one filled up.
  AlignedVector<float> tail;     // [d][kLanePoints]: features of the last block
  AlignedVector<int32_t> cells;  // [blocks][d][kLanePoints]
  AlignedVector<int32_t> order;  // [blocks][d + 1][kLanePoints]
  VertexTableMemory<1> table1;
  VertexTableMemory<2> table2;
  VertexTableMemory<4> table4;
  VertexTableMemory<16> table16;
  std::vector<Neighbours> neighbours;  // [d + 1]
  AlignedVector<VertexLoad> loads;     // [vertices] and more
  AlignedVector<uint32_t> at;          // [vertices + 1]: where a vertex's corners begin
  AlignedVector<float> values;         // [vertices]
  AlignedVector<float> ones;           // [points]
};

namespace {

// The keys of a block's corners, and their hashes.
template <size_t kWords>
struct BlockKeys {
  std::array<Key<kWords>, kLanePoints*(kMaxDims + 1)> keys;
  std::array<uint64_t, kLanePoints*(kMaxDims + 1)> hashes;
};

// What keys are made of.
template <size_t kWords>
struct KeySteps {
  Key<kWords> bias{};
  std::array<Key<kWords>, kMaxDims + 1> step;  // vertex k to k + 1, by the coordinate next in order

  KeySteps(const FieldPlan& plan, size_t d) {
    using K = Key<kWords>;
    const K residue_one = K::Field(0, 0, 1);
    for (size_t i = 0; i < d; ++i) {
      const Field& field = plan.fields[i];
      step[i] = residue_one + K::Field(field.word, field.bit, -1);
      bias += K::Field(field.word, field.bit, field.bias);
    }
    step[d] = residue_one;
  }
};

// Finds every point's vertices, in the order of meeting: lattice.slice[…].index; loads [vertices].
template <size_t kWords>
void MeetVertices(const FieldPlan& plan, std::span<const int32_t> cells,
                  std::span<const int32_t> order, VertexTable<kWords>& table,
                  AlignedVector<VertexLoad>& loads, Lattice& lattice) {
  using K = Key<kWords>;
  const auto d = static_cast<size_t>(lattice.dims);
  const KeySteps<kWords> steps(plan, d);
  const auto ask = [&](size_t block, BlockKeys<kWords>& asked) {
    for (size_t lane = 0; lane < kLanePoints; ++lane) {
      K key = steps.bias;
      for (size_t i = 0; i < d; ++i)
        key += K::Field(plan.fields[i].word, plan.fields[i].bit,
                        cells[(block * d + i) * kLanePoints + lane]);
      for (size_t k = 0; k <= d; ++k) {
        const size_t c = lane * (d + 1) + k;
        asked.keys[c] = key;
        asked.hashes[c] = key.Hash();
        table.Prefetch(asked.hashes[c]);
        const int32_t next = order[(block * (d + 1) + d - k) * kLanePoints + lane];
        key += steps.step[static_cast<size_t>(next)];
      }
    }
  };
  uint32_t met = 0;
  // A block's keys are asked for while the one before it is looked up.
  std::array<BlockKeys<kWords>, 2> asked;
  const auto points = static_cast<size_t>(lattice.points);
  const size_t blocks = (points + kLanePoints - 1) / kLanePoints;
  ask(0, asked[0]);
  for (size_t block = 0; block < blocks; ++block) {
    if (block + 1 < blocks) ask(block + 1, asked[(block + 1) % 2]);
    const BlockKeys<kWords>& found = asked[block % 2];
    const size_t lanes = std::min<size_t>(kLanePoints, points - block * kLanePoints);
    Corner* corners = &lattice.slice[block * kLanePoints * (d + 1)];
    for (size_t c = 0; c < lanes * (d + 1); ++c) {
      const uint32_t vertex = table.FindOrAdd(found.keys[c], found.hashes[c]);
      corners[c].index = vertex;
      if (vertex >= loads.size()) loads.resize(table.capacity());
      if (vertex >= met) loads[met++] = {0, 0.0F};
      ++loads[vertex].corners;
      loads[vertex].ones += corners[c].weight;
    }
  }
}

// next[v] = the vertex at key⁺ of v on the axis, or kNoVertex; has_previous[v]: whether v is one.
template <size_t kWords>
void FindNeighbours(const FieldPlan& plan, int dims, int axis, const VertexTable<kWords>& table,
                    std::span<uint32_t> next, std::span<uint8_t> has_previous) {
  using K = Key<kWords>;
  // key⁺ has one less in every coordinate but the axis', which has d more: the residue k goes down
  // by one, and that coordinate's m up by one; from k = 0 the residue goes to d, and every other m
  // down by one.
  K from_zero = K::Field(0, 0, dims);
  K from_others = K::Field(0, 0, -1);
  for (int i = 0; i < dims; ++i) {
    const Field& field = plan.fields[static_cast<size_t>(i)];
    if (i == axis) {
      from_others += K::Field(field.word, field.bit, 1);
    } else {
      from_zero += K::Field(field.word, field.bit, -1);
    }
  }
  std::fill(has_previous.begin(), has_previous.end(), uint8_t{0});
  constexpr uint32_t kBatch = 128;
  std::array<K, kBatch> keys;
  std::array<uint64_t, kBatch> hashes;
  for (uint32_t begin = 0; begin < table.size(); begin += kBatch) {
    const uint32_t count = std::min(kBatch, table.size() - begin);
    for (uint32_t i = 0; i < count; ++i) {
      const K& key = table.key(begin + i);
      keys[i] = key + (key.residue() == 0 ? from_zero : from_others);
      hashes[i] = keys[i].Hash();
      table.Prefetch(hashes[i]);
    }
    for (uint32_t i = 0; i < count; ++i) {
      const uint32_t found = table.Find(keys[i], hashes[i]);
      next[begin + i] = found;
      // No branch, since none could be foreseen: where nothing is found the last entry is marked.
      has_previous[std::min(found, table.size())] = 1;
    }
  }
}

void MakeChains(std::span<const uint32_t> next, std::span<const uint8_t> has_previous,
                AlignedVector<uint32_t>& heads, ChainList& list) {
  list.entries.resize(next.size() + Lattice::kPadding);
  list.pieces.assign(1, 0);
  // First the heads alone, since none could be foreseen: written always, kept where it is one.
  heads.resize(next.size() + 1);
  uint32_t head_count = 0;
  for (uint32_t vertex = 0; vertex < next.size(); ++vertex) {
    heads[head_count] = vertex;
    head_count += uint32_t{has_previous[vertex] == 0} & uint32_t{next[vertex] != kNoVertex};
  }
  uint32_t count = 0;
  for (uint32_t h = 0; h < head_count; ++h) {
    const uint32_t head = heads[h];
    if (count >= list.pieces.back() + kPiece) list.pieces.push_back(count);
    for (uint32_t vertex = head; vertex != kNoVertex; vertex = next[vertex])
      list.entries[count++] = vertex * 2 + (next[vertex] == kNoVertex ? 1 : 0);
  }
  std::fill_n(list.entries.begin() + count, Lattice::kPadding, 0);
  list.entries.resize(count + Lattice::kPadding);
  if (count > 0) {
    list.pieces.push_back(count);
  } else {
    list.pieces.clear();
  }
}

// Z = L(1) at every point, without the lattice's factor, and the largest value of a vertex.
float FilterOnes(const Lattice& lattice, std::span<const VertexLoad> loads,
                 AlignedVector<float>& values, AlignedVector<float>& ones) {
  const size_t corners = static_cast<size_t>(lattice.dims) + 1;
  const auto points = static_cast<size_t>(lattice.points);
  values.resize(static_cast<size_t>(lattice.vertices));
  for (size_t v = 0; v < values.size(); ++v) values[v] = loads[v].ones;
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
  ones.resize(points);
  for (size_t p = 0; p < points; ++p) {
    float sum = 0;
    for (size_t k = 0; k < corners; ++k) {
      const Corner corner = lattice.slice[p * corners + k];
      sum += corner.weight * values[corner.index];
    }
    ones[p] = sum;
  }
  return *std::max_element(values.begin(), values.end());
}

// What a weight is multiplied with: [points], the lattice's factor among them.
struct Folding {
  Normalization normalization;
  float lattice_factor;
  float keeps_small;  // a power of two, to be taken away again

  Folding(Normalization given, const Lattice& lattice, std::span<const float> ones,
          float largest_value)
      : normalization(given), lattice_factor(LatticeFactor(lattice.dims)), keeps_small(1) {
    // The least Z has the largest factor before.
    float bound = largest_value * Of(*std::min_element(ones.begin(), ones.end())).before;
    for (; bound >= Lattice::kLargestValue; bound *= 0.5F) keeps_small *= 0.5F;
  }
  Factors Of(float one) const {
    const Factors factors = FactorsFor(normalization, one * lattice_factor);
    if (IsSymmetric()) {
      const float both = factors.before * std::sqrt(lattice_factor);
      return {both, both};
    }
    return {factors.before * keeps_small, factors.after * lattice_factor / keeps_small};
  }
  bool IsSymmetric() const {
    return normalization == Normalization::kSymmetric && keeps_small == 1.0F;
  }
};

// Where the corners of each vertex begin in splat, and where it may be cut.
void PlanSplat(std::span<const VertexLoad> loads, AlignedVector<uint32_t>& at, Lattice& lattice) {
  const auto vertices = static_cast<uint32_t>(lattice.vertices);
  at.resize(size_t{vertices} + 1);
  at[0] = 0;
  lattice.splat_pieces.assign(1, 0);
  lattice.splat_vertices.assign(1, 0);
  for (uint32_t v = 1; v <= vertices; ++v) {
    at[v] = at[v - 1] + loads[v - 1].corners;
    if (at[v] < lattice.splat_pieces.back() + kPiece && v < vertices) continue;
    lattice.splat_pieces.push_back(at[v]);
    lattice.splat_vertices.push_back(v);
  }
  lattice.splat.resize(at[vertices] + Lattice::kPadding);
  std::fill_n(lattice.splat.end() - Lattice::kPadding, Lattice::kPadding, Corner{0, 0.0F});
}

// Folds the factors into the weights, and turns slice round into splat unless that can be left out.
void FoldAndMakeSplat(const Folding& folding, bool may_scatter, std::span<const float> ones,
                      std::span<const VertexLoad> loads, AlignedVector<uint32_t>& at,
                      Lattice& lattice) {
  const uint32_t corners = static_cast<uint32_t>(lattice.dims) + 1;
  lattice.scatters = may_scatter && folding.IsSymmetric();
  if (lattice.scatters) {
    lattice.splat.clear();
    for (uint32_t p = 0, c = 0; p < lattice.points; ++p) {
      const float factor = folding.Of(ones[p]).after;
      for (uint32_t k = 0; k < corners; ++k, ++c) lattice.slice[c].weight *= factor;
    }
    return;
  }
  PlanSplat(loads, at, lattice);
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

LatticeBuilder::LatticeBuilder(const Kernels& kernels, ThreadTeam& team)
    : kernels_(kernels), team_(team), scratch_(std::make_unique<Scratch>()) {}
LatticeBuilder::~LatticeBuilder() = default;

void LatticeBuilder::ComputeSimplices(const float* features, Lattice& lattice) {
  const int d = lattice.dims;
  const auto dims = static_cast<size_t>(d);
  constexpr size_t kBlock = kLanePoints;
  const auto points = static_cast<size_t>(lattice.points);
  const size_t blocks = (points + kBlock - 1) / kBlock;
  std::array<float, kMaxDims> scale;
  const double side = std::sqrt(2.0 / 3.0) * (d + 1);
  for (size_t j = 0; j < dims; ++j)
    scale[j] = static_cast<float>(
        side / std::sqrt((static_cast<double>(j) + 1) * (static_cast<double>(j) + 2)));
  scratch_->cells.resize(blocks * dims * kBlock);
  scratch_->order.resize(blocks * (dims + 1) * kBlock);
  lattice.slice.resize(points * (dims + 1) + Lattice::kPadding);
  std::fill_n(lattice.slice.end() - Lattice::kPadding, Lattice::kPadding, Corner{0, 0.0F});
  std::array<float, kBlock*(kMaxDims + 1)> weights;
  for (size_t b = 0; b < blocks; ++b) {
    const size_t begin = b * kBlock;
    const size_t lanes = std::min(kBlock, points - begin);
    const float* from = features + begin;
    size_t stride = points;
    if (lanes < kBlock) {
      // Filled up with its last point, which changes no bound.
      scratch_->tail.resize(dims * kBlock);
      for (size_t i = 0; i < dims; ++i)
        for (size_t lane = 0; lane < kBlock; ++lane)
          scratch_->tail[i * kBlock + lane] = from[i * points + std::min(lane, lanes - 1)];
      from = scratch_->tail.data();
      stride = kBlock;
    }
    kernels_.simplices(from, static_cast<int64_t>(stride), d, scale.data(),
                       {&scratch_->cells[b * dims * kBlock],
                        &scratch_->order[b * (dims + 1) * kBlock], weights.data()});
    for (size_t lane = 0; lane < lanes; ++lane)
      for (size_t k = 0; k <= dims; ++k)
        lattice.slice[(begin + lane) * (dims + 1) + k].weight = weights[k * kBlock + lane];
  }
}

template <size_t kWords>
void LatticeBuilder::Connect(const void* field_plan, VertexTableMemory<kWords>& memory,
                             Lattice& lattice) {
  const FieldPlan& plan = *static_cast<const FieldPlan*>(field_plan);
  VertexTable<kWords> table(memory, lattice.points);
  MeetVertices(plan, scratch_->cells, scratch_->order, table, scratch_->loads, lattice);
  lattice.vertices = table.size();
  const size_t axes = static_cast<size_t>(lattice.dims) + 1;
  lattice.chains.resize(axes);
  scratch_->neighbours.resize(std::max(axes, scratch_->neighbours.size()));
  team_.ForEach(static_cast<int64_t>(axes), [&](int64_t axis) {
    Scratch::Neighbours& on_axis = scratch_->neighbours[static_cast<size_t>(axis)];
    on_axis.next.resize(table.size());
    on_axis.has_previous.resize(size_t{table.size()} + 1);
    FindNeighbours(plan, lattice.dims, static_cast<int>(axis), table, on_axis.next,
                   on_axis.has_previous);
    MakeChains(on_axis.next, on_axis.has_previous, on_axis.heads,
               lattice.chains[static_cast<size_t>(axis)]);
  });
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
  ComputeSimplices(features, lattice);
  const FieldPlan plan = PlanFields(scratch_->cells, dims);
  // Photographs need one word; the others are for many or finely spread features.
  if (plan.words == 1) {
    Connect(&plan, scratch_->table1, lattice);
  } else if (plan.words == 2) {
    Connect(&plan, scratch_->table2, lattice);
  } else if (plan.words <= 4) {
    Connect(&plan, scratch_->table4, lattice);
  } else {
    Connect(&plan, scratch_->table16, lattice);
  }
  const float largest_value =
      FilterOnes(lattice, scratch_->loads, scratch_->values, scratch_->ones);
  const Folding folding(normalization, lattice, scratch_->ones, largest_value);
  FoldAndMakeSplat(folding, may_scatter, scratch_->ones, scratch_->loads, scratch_->at, lattice);
}

}  // namespace i2crc::crf
