// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace i2crc::crf {

constexpr uint32_t kNoVertex = ~uint32_t{0};
constexpr int kResidueBits = 6;  // k ≤ kMaxDims

// A table of vertices whose keys are one word, as plain memory: what is done often with it is
// compiled for each instruction set (kernels_vertices.h). Places that are looked at together are
// one cache line.
struct alignas(64) NarrowBucket {
  static constexpr uint32_t kPlaces = 4;
  // No vertex has a key of ones only: its residue would be more than kMaxDims.
  static constexpr uint64_t kFree = ~uint64_t{0};

  uint64_t keys[kPlaces];      // taken from the first on; the rest: kFree
  uint32_t vertices[kPlaces];  // where the key is free: kNoVertex
};

struct NarrowTable {
  // Keys that are read and written together; behind those of the vertices stand as many that are.
  static constexpr uint32_t kBatch = 128;

  uint64_t* keys;         // [capacity + kBatch], of the vertices
  NarrowBucket* buckets;  // 2^n of them; a full one is continued in the next
  uint64_t mask;          // buckets − 1
  int shift;              // of a hash, for its bucket
  uint32_t size;          // vertices met so far
  uint32_t capacity;
  // A bit for each hash of a vertex, shifted: most of those that are not there are told from it,
  // which is small enough for the second-level cache.
  uint64_t* filter;
  int filter_shift;
};

// What the keys of one word are made of.
struct NarrowKeyPlan {
  uint64_t bias;
  const int* bits;        // [d]: where a cell's field begins
  const uint64_t* steps;  // [d + 1], 8 at least: vertex k to k + 1, by the coordinate next in order
};

// A block's corners: [d + 1][kLanePoints].
struct NarrowCorners {
  uint64_t* keys;
  uint64_t* hashes;
  const float* weights;
};

// One axis: what is added to a key for the next one's, where its residue is zero and elsewhere.
struct NarrowAxis {
  uint64_t from_zero;
  uint64_t from_others;
};

}  // namespace i2crc::crf
