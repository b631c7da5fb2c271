// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>

#include "i2crc/crf/aligned_vector.h"
#include "i2crc/crf/narrow_table.h"

namespace i2crc::crf {

// A vertex is (k, m_0 … m_{d−1}) with key_i = m_i · (d + 1) + k, written as integers of bit fields
// that are wide enough for every vertex and its neighbours, so that going to a neighbour is one
// addition. k stands in the lowest bits; a field never straddles two words.
template <size_t kWords>
struct Key {
  std::array<uint64_t, kWords> words;

  static Key Field(int word, int bit, int64_t value) {
    Key key{};
    key.words[static_cast<size_t>(word)] = static_cast<uint64_t>(value) << bit;
    return key;
  }
  Key& operator+=(const Key& other) {
    for (size_t w = 0; w < kWords; ++w) words[w] += other.words[w];
    return *this;
  }
  friend Key operator+(Key a, const Key& b) { return a += b; }
  // By hand: the array's own == calls a function.
  bool operator==(const Key& other) const {
    uint64_t differing = 0;
    for (size_t w = 0; w < kWords; ++w) differing |= words[w] ^ other.words[w];
    return differing == 0;
  }
  uint32_t residue() const { return static_cast<uint32_t>(words[0]) & ((1u << kResidueBits) - 1); }
  uint64_t Hash() const {
    uint64_t hash = 0;
    for (const uint64_t word : words) {
      hash = (hash ^ word) * 0x9E3779B97F4A7C15u;
      hash ^= hash >> 32;
    }
    return hash * 0x9E3779B97F4A7C15u;
  }
};

// Places that are looked at together: for a narrow key, one cache line.
template <size_t kWords>
struct alignas(64) VertexBucket {
  static constexpr uint32_t kPlaces = 4;
  std::array<Key<kWords>, kPlaces> keys;
  std::array<uint32_t, kPlaces + 1> vertices;  // the last one: kNoVertex
  uint32_t used;
};

template <size_t kWords>
struct VertexTableMemory {
  AlignedVector<Key<kWords>> keys;  // of the vertices
  AlignedVector<VertexBucket<kWords>> buckets;
};

// The vertices met so far, found by their keys, and numbered in the order of meeting.
template <size_t kWords>
class VertexTable {
 public:
  using K = Key<kWords>;

  // memory: kept for the next table.
  VertexTable(VertexTableMemory<kWords>& memory, int64_t points)
      : keys_(memory.keys), buckets_(memory.buckets) {
    Clear(std::max<size_t>(256, std::bit_ceil(static_cast<size_t>(points) / 3)));
  }

  uint32_t size() const { return size_; }
  size_t capacity() const { return keys_.size(); }  // before it grows
  const K& key(uint32_t vertex) const { return keys_[vertex]; }
  void Prefetch(uint64_t hash) const { __builtin_prefetch(&buckets_[hash >> shift_]); }

  // hash: the key's.
  uint32_t FindOrAdd(const K& key, uint64_t hash) {
    const uint32_t found = Find(key, hash);
    if (found != kNoVertex) return found;
    if (size_ == keys_.size()) Grow();
    keys_[size_] = key;
    Add(hash, size_);
    return size_++;
  }

  // kNoVertex where there is none.
  uint32_t Find(const K& key, uint64_t hash) const {
    for (uint64_t at = hash >> shift_;; at = (at + 1) & mask_) {
      const Bucket& bucket = buckets_[at];
      // Which place it is, if any, cannot be foreseen, so no branch hangs on it; that a bucket
      // overflows is rare.
      uint32_t places = 1u << Bucket::kPlaces;
      for (uint32_t i = 0; i < Bucket::kPlaces; ++i) places |= uint32_t{bucket.keys[i] == key} << i;
      const uint32_t found = bucket.vertices[static_cast<size_t>(std::countr_zero(places))];
      const uint32_t is_over =
          uint32_t{found != kNoVertex} | uint32_t{bucket.used < Bucket::kPlaces};
      if (is_over != 0) return found;
    }
  }

 private:
  using Bucket = VertexBucket<kWords>;

  void Clear(size_t buckets) {
    buckets_.resize(buckets);
    // No vertex has a key of ones only: its residue would be more than kMaxDims.
    Bucket empty;
    for (K& key : empty.keys) key.words.fill(~uint64_t{0});
    empty.vertices.fill(kNoVertex);
    empty.used = 0;
    std::fill(buckets_.begin(), buckets_.end(), empty);
    keys_.resize(buckets * Bucket::kPlaces / 2);
    mask_ = buckets - 1;
    shift_ = 64 - std::countr_zero(buckets);
  }
  void Add(uint64_t hash, uint32_t vertex) {
    uint64_t at = hash >> shift_;
    while (buckets_[at].used == Bucket::kPlaces) at = (at + 1) & mask_;
    Bucket& bucket = buckets_[at];
    bucket.keys[bucket.used] = keys_[vertex];
    bucket.vertices[bucket.used++] = vertex;
  }
  void Grow() {
    Clear(buckets_.size() * 2);
    for (uint32_t vertex = 0; vertex < size_; ++vertex) Add(keys_[vertex].Hash(), vertex);
  }

  AlignedVector<K>& keys_;
  AlignedVector<Bucket>& buckets_;
  uint64_t mask_ = 0;
  int shift_ = 0;
  uint32_t size_ = 0;
};

}  // namespace i2crc::crf
