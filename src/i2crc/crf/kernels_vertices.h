// SPDX-License-Identifier: Apache-2.0
//
// Part of kernels_impl.h: vertices whose keys are one word, and how they are found.
#pragma once

#include "i2crc/crf/kernels.h"
#include "i2crc/crf/kernels_simd.h"
#include "i2crc/crf/narrow_table.h"

namespace i2crc::crf {
namespace {

// As many keys as a register holds; one where multiplying them would be slower side by side.
#if I2CRC_CRF_NATIVE > 4
constexpr int kKeyLanes = I2CRC_CRF_NATIVE / 2;
typedef uint64_t Keys __attribute__((vector_size(kKeyLanes * 8)));
typedef int64_t SignedKeys __attribute__((vector_size(kKeyLanes * 8)));
typedef int32_t HalfKeys __attribute__((vector_size(kKeyLanes * 4)));
I2CRC_CRF_INLINE Keys Widened(HalfKeys values) {
  return reinterpret_cast<Keys>(__builtin_convertvector(values, SignedKeys));
}
#else
constexpr int kKeyLanes = 1;
typedef uint64_t Keys;
typedef int32_t HalfKeys;
I2CRC_CRF_INLINE Keys Widened(HalfKeys value) {
  return static_cast<Keys>(static_cast<int64_t>(value));
}
#endif

I2CRC_CRF_INLINE Keys LoadKeys(const uint64_t* from) {
  Keys keys;
  __builtin_memcpy(&keys, from, sizeof(keys));
  return keys;
}
I2CRC_CRF_INLINE void StoreKeys(uint64_t* to, Keys keys) {
  __builtin_memcpy(to, &keys, sizeof(keys));
}
I2CRC_CRF_INLINE HalfKeys LoadHalfKeys(const int32_t* from) {
  HalfKeys values;
  __builtin_memcpy(&values, from, sizeof(values));
  return values;
}
// The entries of a table, of 8 at most where it is short.
template <bool kIsShort>
I2CRC_CRF_INLINE Keys Looked(const uint64_t* table, HalfKeys at) {
#if I2CRC_CRF_NATIVE == 16
  if constexpr (kIsShort)
    return reinterpret_cast<Keys>(_mm512_permutexvar_epi64(reinterpret_cast<__m512i>(Widened(at)),
                                                           _mm512_loadu_si512(table)));
  return reinterpret_cast<Keys>(_mm512_i32gather_epi64(reinterpret_cast<__m256i>(at), table, 8));
#elif I2CRC_CRF_NATIVE == 8
  return Keys{table[at[0]], table[at[1]], table[at[2]], table[at[3]]};
#else
  return table[at];
#endif
}

// As Key<1>::Hash.
I2CRC_CRF_INLINE Keys Hashed(Keys keys) {
  keys *= 0x9E3779B97F4A7C15u;
  keys ^= keys >> 32;
  return keys * 0x9E3779B97F4A7C15u;
}

// The bits of the places that hold the key or are free.
I2CRC_CRF_INLINE uint32_t PlacesFor(const NarrowBucket& bucket, uint64_t key) {
#if I2CRC_CRF_NATIVE > 4
  const __m256i keys = _mm256_load_si256(reinterpret_cast<const __m256i*>(bucket.keys));
  const __m256i free = _mm256_cmpeq_epi64(keys, _mm256_set1_epi64x(-1));
  const __m256i equal = _mm256_cmpeq_epi64(keys, _mm256_set1_epi64x(static_cast<long long>(key)));
  return static_cast<uint32_t>(
      _mm256_movemask_pd(_mm256_castsi256_pd(_mm256_or_si256(free, equal))));
#else
  uint32_t places = 0;
  for (uint32_t i = 0; i < NarrowBucket::kPlaces; ++i)
    places |= (uint32_t{bucket.keys[i] == key} | uint32_t{bucket.keys[i] == NarrowBucket::kFree})
              << i;
  return places;
#endif
}

// The bucket's key at the place. The whole register is stored, since that is what is loaded next,
// and the machine hands on stores only to loads that are no wider.
I2CRC_CRF_INLINE void PutKey(NarrowBucket& bucket, uint32_t place, uint64_t key) {
#if I2CRC_CRF_NATIVE > 4
  __m256i* const at = reinterpret_cast<__m256i*>(bucket.keys);
  const __m256i here = _mm256_cmpeq_epi64(_mm256_set_epi64x(3, 2, 1, 0),
                                          _mm256_set1_epi64x(static_cast<long long>(place)));
  const __m256i wanted = _mm256_set1_epi64x(static_cast<long long>(key));
  _mm256_store_si256(at, _mm256_blendv_epi8(_mm256_load_si256(at), wanted, here));
#else
  bucket.keys[place] = key;
#endif
}

// Where a key stands or would stand.
struct Place {
  NarrowBucket* bucket;
  uint32_t place;
};

I2CRC_CRF_INLINE Place PlaceOf(const NarrowTable& table, uint64_t key, uint64_t hash) {
  uint64_t at = hash >> table.shift;
  uint32_t places = PlacesFor(table.buckets[at], key);
  while (__builtin_expect(places == 0, 0)) {
    at = (at + 1) & table.mask;
    places = PlacesFor(table.buckets[at], key);
  }
  return {table.buckets + at, static_cast<uint32_t>(__builtin_ctz(places))};
}

I2CRC_CRF_INLINE void PrefetchBucket(const NarrowTable& table, uint64_t hash) {
  __builtin_prefetch(table.buckets + (hash >> table.shift));
}

template <bool kFewDims>
I2CRC_CRF_INLINE void KeysOfBlock(const NarrowKeyPlan& plan, int dims, const int32_t* cells,
                                  const int32_t* order, const NarrowCorners& corners) {
  for (int lane = 0; lane < kLanePoints; lane += kKeyLanes) {
    Keys key = Keys{} + plan.bias;
    for (int i = 0; i < dims; ++i)
      key += Widened(LoadHalfKeys(cells + i * kLanePoints + lane)) << plan.bits[i];
    for (int k = 0; k <= dims; ++k) {
      StoreKeys(corners.keys + k * kLanePoints + lane, key);
      StoreKeys(corners.hashes + k * kLanePoints + lane, Hashed(key));
      const HalfKeys next = LoadHalfKeys(order + (dims - k) * kLanePoints + lane);
      key += Looked<kFewDims>(plan.steps, next);
    }
  }
}

void KeysPass(const NarrowTable& given, const NarrowKeyPlan& plan, int dims, const int32_t* cells,
              const int32_t* order, const NarrowCorners& given_corners) {
  // Copies, which no store can be thought to change.
  const NarrowTable table = given;
  const NarrowCorners corners = given_corners;
  if (dims < 8) {
    KeysOfBlock<true>(plan, dims, cells, order, corners);
  } else {
    KeysOfBlock<false>(plan, dims, cells, order, corners);
  }
  for (int c = 0; c < (dims + 1) * kLanePoints; ++c) PrefetchBucket(table, corners.hashes[c]);
}

// Those of a block's corners whose vertices are not there yet: position in Lattice::slice's block,
// and in what is asked.
struct MissingCorner {
  uint32_t to;
  uint32_t from;
};

// Adds the key unless it is there by now.
I2CRC_CRF_INLINE uint32_t FindOrAdd(const NarrowTable& table, uint32_t& size, uint64_t key,
                                    uint64_t hash) {
  const Place at = PlaceOf(table, key, hash);
  // Whether it is there cannot be foreseen, so no branch hangs on it.
  const uint32_t there = at.bucket->vertices[at.place];
  const uint32_t vertex = there < size ? there : size;
  at.bucket->vertices[at.place] = vertex;
  PutKey(*at.bucket, at.place, key);
  table.keys[size] = key;
  size += uint32_t{there > vertex};
  return vertex;
}

void MeetPass(NarrowTable& given, const NarrowCorners& given_corners, int dims, int lanes,
              float* ones, Corner* corners) {
  // Copies, which no store can be thought to change.
  const NarrowTable table = given;
  const NarrowCorners asked = given_corners;
  // First what is there already, most of them, without a store to the table that later look-ups
  // would have to wait for.
  MissingCorner missing[kLanePoints * (kMaxDims + 1) + 1];
  uint32_t missing_count = 0;
  uint32_t to = 0;
  for (int lane = 0; lane < lanes; ++lane)
    for (int c = lane; c <= dims * kLanePoints + lane; c += kLanePoints) {
      const Place at = PlaceOf(table, asked.keys[c], asked.hashes[c]);
      const uint32_t vertex = at.bucket->vertices[at.place];
      corners[to] = {vertex, asked.weights[c]};
      missing[missing_count] = {to, static_cast<uint32_t>(c)};
      missing_count += vertex >> 31;  // kNoVertex alone is that large
      ++to;
    }
  uint32_t size = table.size;
  for (uint32_t m = 0; m < missing_count; ++m) {
    const uint32_t c = missing[m].from;
    corners[missing[m].to].index = FindOrAdd(table, size, asked.keys[c], asked.hashes[c]);
  }
  given.size = size;
  for (uint32_t c = 0; c < to; ++c) ones[corners[c].index] += corners[c].weight;
}

void FilterPass(const NarrowTable& table) {
  uint64_t hashes[kKeyLanes];
  for (uint32_t v = 0; v < table.size; v += kKeyLanes) {
    StoreKeys(hashes, Hashed(LoadKeys(table.keys + v)));
    const uint32_t count =
        table.size - v < uint32_t{kKeyLanes} ? table.size - v : uint32_t{kKeyLanes};
    for (uint32_t i = 0; i < count; ++i) {
      const uint64_t bit = hashes[i] >> table.filter_shift;
      table.filter[bit >> 6] |= uint64_t{1} << (bit & 63);
    }
  }
}

struct AskedNeighbours {
  alignas(64) uint64_t keys[NarrowTable::kBatch];
  alignas(64) uint64_t hashes[NarrowTable::kBatch];
  uint32_t kept[NarrowTable::kBatch + 1];  // those that may be there
  uint32_t count;
};

I2CRC_CRF_INLINE void AskNeighbours(const NarrowTable& table, const NarrowAxis& axis,
                                    uint32_t begin, AskedNeighbours& asked) {
  for (uint32_t i = 0; i < NarrowTable::kBatch; i += kKeyLanes) {
    const Keys key = LoadKeys(table.keys + begin + i);
    const Keys residue = key & ((uint64_t{1} << kResidueBits) - 1);
    const Keys is_zero = Keys{} - ((residue - 1) >> 63);  // all bits
    const Keys next = key + axis.from_others + (is_zero & (axis.from_zero - axis.from_others));
    StoreKeys(asked.keys + i, next);
    StoreKeys(asked.hashes + i, Hashed(next));
  }
  const uint32_t left = table.size - begin;
  const uint32_t end = left < NarrowTable::kBatch ? left : NarrowTable::kBatch;
  uint32_t count = 0;
  for (uint32_t i = 0; i < end; ++i) {
    const uint64_t bit = asked.hashes[i] >> table.filter_shift;
    asked.kept[count] = i;
    count += static_cast<uint32_t>(table.filter[bit >> 6] >> (bit & 63)) & 1;
  }
  for (uint32_t i = 0; i < count; ++i) PrefetchBucket(table, asked.hashes[asked.kept[i]]);
  asked.count = count;
}

void NeighboursPass(const NarrowTable& given, const NarrowAxis& axis, uint32_t* next,
                    uint8_t* has_previous) {
  const NarrowTable table = given;
  AskedNeighbours asked[2];
  AskNeighbours(table, axis, 0, asked[0]);
  for (uint32_t v = 0; v < table.size; ++v) next[v] = kNoVertex;
  for (uint32_t begin = 0, turn = 0; begin < table.size; begin += NarrowTable::kBatch, turn ^= 1) {
    // A batch is asked for while the one before it is looked up.
    if (begin + NarrowTable::kBatch < table.size)
      AskNeighbours(table, axis, begin + NarrowTable::kBatch, asked[turn ^ 1]);
    const AskedNeighbours& now = asked[turn];
    for (uint32_t a = 0; a < now.count; ++a) {
      const uint32_t i = now.kept[a];
      const Place at = PlaceOf(table, now.keys[i], now.hashes[i]);
      const uint32_t found = at.bucket->vertices[at.place];
      next[begin + i] = found;
      // Where nothing is found the last entry is marked.
      has_previous[found < table.size ? found : table.size] = 1;
    }
  }
}

uint32_t HeadsPass(const uint32_t* next, const uint8_t* has_previous, uint32_t vertices,
                   uint32_t* heads) {
  // None could be foreseen: written always, kept where it is one.
  uint32_t count = 0;
  uint32_t v = 0;
#if I2CRC_CRF_NATIVE == 16
  __m512i numbers = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
  for (; v + 16 <= vertices; v += 16) {
    const __mmask16 goes_on =
        _mm512_cmpneq_epi32_mask(_mm512_loadu_si512(next + v), _mm512_set1_epi32(-1));
    const __m128i previous = _mm_loadu_si128(reinterpret_cast<const __m128i*>(has_previous + v));
    const __mmask16 is_head = _mm_mask_testn_epi8_mask(goes_on, previous, previous);
    _mm512_storeu_si512(heads + count, _mm512_maskz_compress_epi32(is_head, numbers));
    count += static_cast<uint32_t>(__builtin_popcount(is_head));
    numbers = _mm512_add_epi32(numbers, _mm512_set1_epi32(16));
  }
#endif
  for (; v < vertices; ++v) {
    heads[count] = v;
    count += uint32_t{has_previous[v] == 0} & uint32_t{next[v] != kNoVertex};
  }
  return count;
}

}  // namespace
}  // namespace i2crc::crf
