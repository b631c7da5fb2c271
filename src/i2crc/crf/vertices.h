// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>

#include "i2crc/crf/aligned_vector.h"
#include "i2crc/crf/kernels.h"
#include "i2crc/crf/lattice.h"
#include "i2crc/crf/simplex_source.h"
#include "i2crc/crf/vertex_keys.h"
#include "i2crc/crf/vertex_table.h"

namespace i2crc::crf {

// The vertices of a lattice, of keys with several words.
template <size_t kWords>
class WideVertices {
 public:
  // memory: kept for the next lattice's.
  WideVertices(VertexTableMemory<kWords>& memory, const FieldPlan& plan, int64_t points)
      : plan_(plan), table_(memory, points) {}

  uint32_t size() const { return table_.size(); }

  // Finds every point's vertices, numbered in the order of meeting: lattice.slice[…].index, whose
  // weights are there already; and ones[vertex], the sums of their corners' weights.
  void Meet(const SimplexList& simplices, AlignedVector<float>& ones, Lattice& lattice) {
    const auto d = static_cast<size_t>(lattice.dims);
    const KeySteps<kWords> steps(plan_, d);
    // A block's keys are asked for while the one before it is looked up.
    std::array<BlockKeys, 2> asked;
    const auto points = static_cast<size_t>(lattice.points);
    const size_t blocks = (points + kLanePoints - 1) / kLanePoints;
    ones.clear();
    Ask(simplices, steps, d, 0, asked[0]);
    for (size_t block = 0; block < blocks; ++block) {
      if (block + 1 < blocks) Ask(simplices, steps, d, block + 1, asked[(block + 1) % 2]);
      const BlockKeys& found = asked[block % 2];
      const size_t lanes = std::min<size_t>(kLanePoints, points - block * kLanePoints);
      Corner* corners = &lattice.slice[block * kLanePoints * (d + 1)];
      for (size_t c = 0; c < lanes * (d + 1); ++c) {
        const uint32_t vertex = table_.FindOrAdd(found.keys[c], found.hashes[c]);
        corners[c].index = vertex;
        if (vertex == ones.size()) ones.push_back(0.0F);
        ones[vertex] += corners[c].weight;
      }
    }
  }

  // next[v] = the vertex at key⁺ of v on the axis, or kNoVertex; has_previous[v]: whether v is one.
  // has_previous has an entry more, of no meaning.
  void FindNeighbours(int dims, int axis, std::span<uint32_t> next,
                      std::span<uint8_t> has_previous) const {
    const AxisSteps<kWords> steps(plan_, dims, axis);
    std::fill(has_previous.begin(), has_previous.end(), uint8_t{0});
    constexpr uint32_t kBatch = 128;
    std::array<Key<kWords>, kBatch> keys;
    std::array<uint64_t, kBatch> hashes;
    for (uint32_t begin = 0; begin < size(); begin += kBatch) {
      const uint32_t count = std::min(kBatch, size() - begin);
      for (uint32_t i = 0; i < count; ++i) {
        const Key<kWords>& key = table_.key(begin + i);
        keys[i] = key + (key.residue() == 0 ? steps.from_zero : steps.from_others);
        hashes[i] = keys[i].Hash();
        table_.Prefetch(hashes[i]);
      }
      for (uint32_t i = 0; i < count; ++i) {
        const uint32_t found = table_.Find(keys[i], hashes[i]);
        next[begin + i] = found;
        // No branch, since none could be foreseen: where nothing is found the last entry is marked.
        has_previous[std::min(found, size())] = 1;
      }
    }
  }

 private:
  // The keys of a block's corners, and their hashes.
  struct BlockKeys {
    std::array<Key<kWords>, kLanePoints*(kMaxDims + 1)> keys;
    std::array<uint64_t, kLanePoints*(kMaxDims + 1)> hashes;
  };

  void Ask(const SimplexList& simplices, const KeySteps<kWords>& steps, size_t d, size_t block,
           BlockKeys& asked) const {
    for (size_t lane = 0; lane < kLanePoints; ++lane) {
      Key<kWords> key = steps.bias;
      for (size_t i = 0; i < d; ++i)
        key += Key<kWords>::Field(plan_.fields[i].word, plan_.fields[i].bit,
                                  simplices.cells[(block * d + i) * kLanePoints + lane]);
      for (size_t k = 0; k <= d; ++k) {
        const size_t c = lane * (d + 1) + k;
        asked.keys[c] = key;
        asked.hashes[c] = key.Hash();
        table_.Prefetch(asked.hashes[c]);
        const int32_t next = simplices.order[(block * (d + 1) + d - k) * kLanePoints + lane];
        key += steps.step[static_cast<size_t>(next)];
      }
    }
  }

  const FieldPlan& plan_;
  VertexTable<kWords> table_;
};

struct NarrowVerticesMemory {
  AlignedVector<uint64_t> keys;
  AlignedVector<NarrowBucket> buckets;
  AlignedVector<uint64_t> filter;
};

// The same of keys with one word, which photographs have. Simplices are computed on the way.
class NarrowVertices {
 public:
  NarrowVertices(NarrowVerticesMemory& memory, const Kernels& kernels, const FieldPlan& plan,
                 int64_t points);

  uint32_t size() const { return table_.size; }
  void Meet(const SimplexSource& source, AlignedVector<float>& ones, Corner* slice);
  void FindNeighbours(int dims, int axis, std::span<uint32_t> next,
                      std::span<uint8_t> has_previous) const;

 private:
  void Clear(size_t buckets);
  void Grow();
  void MakeFilter();

  NarrowVerticesMemory& memory_;
  const VertexKernels& kernels_;
  const FieldPlan& plan_;
  NarrowTable table_{};
};

}  // namespace i2crc::crf
