// SPDX-License-Identifier: Apache-2.0
//
// Part of kernels_impl.h: rows of labels in registers and in memory.
#pragma once

#include "i2crc/crf/kernels.h"
#include "i2crc/crf/kernels_simd.h"

namespace i2crc::crf {
namespace {

// A row in registers.
template <int kLaneCount, int kRegisterCount>
struct RowOf {
  static constexpr int kLanes = kLaneCount;
  static constexpr int kRegisters = kRegisterCount;
  Float<kLanes> r[kRegisters];
};

// How a block's rows stand in memory. Labels: how many it has room for. kFloats: how wide its rows
// of energies are, which are always floats. kBytes: how wide its rows of marginals and of lattice
// values are.
//
// In a region's buffer values are floats as well, the first kFirstPlane of all places, then the
// other kSecondPlane of all, so that they stand on cache lines and a few rows fit into the
// first-level cache.
template <int kWidth>
struct SingleRows {
  static constexpr int kLabels = kWidth;
  static constexpr int kFloats = kWidth;
  static constexpr size_t kBytes = kWidth * sizeof(float);
  static constexpr bool kRoundsSums = false;
  static constexpr bool kStreams = false;
  static constexpr int kLanes = kWidth < I2CRC_CRF_NATIVE ? kWidth : I2CRC_CRF_NATIVE;
  using Row = RowOf<kLanes, kWidth / kLanes>;

  I2CRC_CRF_MEMBER Row LoadFloats(const float* from) {
    Row row;
    for (int i = 0; i < Row::kRegisters; ++i)
      row.r[i] = LoadUnaligned(from + i * kLanes, Float<kLanes>{});
    return row;
  }
  I2CRC_CRF_MEMBER void StoreFloats(float* to, const Row& row) {
    for (int i = 0; i < Row::kRegisters; ++i) StoreUnaligned(to + i * kLanes, row.r[i]);
  }
  static constexpr int kFirstPlane = kWidth;
  static constexpr int kSecondPlane = 0;
  I2CRC_CRF_MEMBER Row LoadPlace(const float* first, const float*, uint32_t place) {
    return LoadFloats(first + size_t{place} * kWidth);
  }
  I2CRC_CRF_MEMBER void StorePlace(float* first, float*, uint32_t place, const Row& row) {
    StoreFloats(first + size_t{place} * kWidth, row);
  }
  I2CRC_CRF_MEMBER Row Load(const char* from) {
    return LoadFloats(reinterpret_cast<const float*>(from));
  }
  I2CRC_CRF_MEMBER void Store(char* to, const Row& row) {
    StoreFloats(reinterpret_cast<float*>(to), row);
  }
};

#if I2CRC_CRF_NATIVE > 4
// 21 labels in one cache line: 24 bits each, 6 of exponent and 18 of mantissa, from 2^−40, which
// stands for 0 too, to 2^24. Halves are too coarse: mean field makes their rounding 300 times as
// large at pixels that hesitate between two labels.
//
// The bits of a float between these bounds, less those of 2^−40, have 5 zeros above the 24 that are
// kept and 3 … 5 below that are rounded away.
constexpr float kLeastPacked = 0x1p-40F;
constexpr int32_t kPackedBias = (127 - 40) << 23;
constexpr int kPackedShift = 5;  // of 29 bits, the lowest
constexpr int32_t kPackedRounding = 1 << (kPackedShift - 1);

template <typename Vector, typename Integers>
I2CRC_CRF_INLINE Integers ToPackedBits(Vector v) {
  v = Max(v, Vector{} + kLeastPacked);
  return (reinterpret_cast<Integers>(v) - (kPackedBias - kPackedRounding)) << (8 - kPackedShift);
}
// What ToPackedBits left, the lowest byte lost.
template <typename Vector, typename Integers>
I2CRC_CRF_INLINE Vector FromPackedBits(Integers bits) {
  return reinterpret_cast<Vector>((bits >> (8 - kPackedShift)) + kPackedBias);
}

struct PackedRows {
  static constexpr int kLabels = kPackedLabels;
  static constexpr int kFloats = 24;
  static constexpr size_t kBytes = 64;
  static constexpr int kFirstPlane = 16;
  static constexpr int kSecondPlane = 8;
  static constexpr bool kRoundsSums = true;
  static constexpr bool kStreams = I2CRC_CRF_NATIVE > 8;
#if I2CRC_CRF_NATIVE > 8
  static constexpr int kLanes = 16;
  using Row = RowOf<16, 2>;  // the last 8 lanes are no labels

  I2CRC_CRF_MEMBER Row LoadPlace(const float* first, const float* second, uint32_t place) {
    return {{_mm512_load_ps(first + size_t{place} * 16),
             _mm512_zextps256_ps512(_mm256_load_ps(second + size_t{place} * 8))}};
  }
  I2CRC_CRF_MEMBER void StorePlace(float* first, float* second, uint32_t place, const Row& row) {
    _mm512_store_ps(first + size_t{place} * 16, row.r[0]);
    _mm256_store_ps(second + size_t{place} * 8, _mm512_castps512_ps256(row.r[1]));
  }
  I2CRC_CRF_MEMBER Row LoadFloats(const float* from) {
    return {
        {_mm512_loadu_ps(from), _mm512_mask_loadu_ps(_mm512_set1_ps(kNoLabel), 0xFF, from + 16)}};
  }
  I2CRC_CRF_MEMBER void StoreFloats(float* to, const Row& row) {
    _mm512_storeu_ps(to, row.r[0]);
    _mm256_storeu_ps(to + 16, _mm512_castps512_ps256(row.r[1]));
  }
  // Byte b of lane i is byte 3 · i + b − 1 of the line; a lane's lowest byte is 0.
  I2CRC_CRF_MEMBER __m512i Spread(int first) {
    alignas(64) char bytes[64];
    for (int i = 0; i < 64; ++i) {
      const int at = 3 * (first + i / 4) + i % 4 - 1;
      bytes[i] = static_cast<char>(at < 63 ? at : 63);
    }
    return _mm512_load_si512(bytes);
  }
  I2CRC_CRF_MEMBER Row Load(const char* from) {
    const __m512i line = _mm512_loadu_si512(from);
    constexpr __mmask64 kUpperBytes = 0xEEEEEEEEEEEEEEEEu;
    const __m512i first = _mm512_maskz_permutexvar_epi8(kUpperBytes, Spread(0), line);
    const __m512i second = _mm512_maskz_permutexvar_epi8(kUpperBytes, Spread(16), line);
    return {{FromPackedBits<Float<16>>(reinterpret_cast<UInt<16>>(first)),
             FromPackedBits<Float<16>>(reinterpret_cast<UInt<16>>(second))}};
  }
  I2CRC_CRF_MEMBER void Store(char* to, const Row& row) { _mm512_store_si512(to, Line(row)); }
  I2CRC_CRF_MEMBER void Stream(char* to, const Row& row) {
    _mm512_stream_si512(reinterpret_cast<__m512i*>(to), Line(row));
  }
  I2CRC_CRF_MEMBER __m512i Line(const Row& row) {
    // Byte b of the line is byte 1 + b % 3 of lane b / 3; the last byte is nobody's.
    alignas(64) char bytes[64];
    for (int b = 0; b < 64; ++b) bytes[b] = static_cast<char>(b / 3 * 4 + b % 3 + 1);
    return _mm512_permutex2var_epi8(
        reinterpret_cast<__m512i>(ToPackedBits<Float<16>, UInt<16>>(row.r[0])),
        _mm512_load_si512(bytes),
        reinterpret_cast<__m512i>(ToPackedBits<Float<16>, UInt<16>>(row.r[1])));
  }
#else
  static constexpr int kLanes = 8;
  using Row = RowOf<8, 3>;

  I2CRC_CRF_MEMBER Row LoadPlace(const float* first, const float* second, uint32_t place) {
    const float* from = first + size_t{place} * 16;
    return {{_mm256_load_ps(from), _mm256_load_ps(from + 8),
             _mm256_load_ps(second + size_t{place} * 8)}};
  }
  I2CRC_CRF_MEMBER void StorePlace(float* first, float* second, uint32_t place, const Row& row) {
    float* to = first + size_t{place} * 16;
    _mm256_store_ps(to, row.r[0]);
    _mm256_store_ps(to + 8, row.r[1]);
    _mm256_store_ps(second + size_t{place} * 8, row.r[2]);
  }
  I2CRC_CRF_MEMBER Row LoadFloats(const float* from) {
    return {{_mm256_loadu_ps(from), _mm256_loadu_ps(from + 8), _mm256_loadu_ps(from + 16)}};
  }
  I2CRC_CRF_MEMBER void StoreFloats(float* to, const Row& row) {
    for (int i = 0; i < 3; ++i) _mm256_storeu_ps(to + i * 8, row.r[i]);
  }
  // From 24 bytes, 12 in each half's lowest, to 8 lanes.
  I2CRC_CRF_MEMBER Float<8> Spread(__m256i bytes) {
    const __m256i halves =
        _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 1, 2, 2, 3, 4, 5, 5));
    const __m256i lanes = _mm256_shuffle_epi8(
        halves, _mm256_setr_epi8(-1, 0, 1, 2, -1, 3, 4, 5, -1, 6, 7, 8, -1, 9, 10, 11,  //
                                 -1, 0, 1, 2, -1, 3, 4, 5, -1, 6, 7, 8, -1, 9, 10, 11));
    return FromPackedBits<Float<8>>(reinterpret_cast<UInt<8>>(lanes));
  }
  I2CRC_CRF_MEMBER __m256i Gathered(Float<8> v) {
    const __m256i lanes = reinterpret_cast<__m256i>(ToPackedBits<Float<8>, UInt<8>>(v));
    const __m256i halves = _mm256_shuffle_epi8(
        lanes, _mm256_setr_epi8(1, 2, 3, 5, 6, 7, 9, 10, 11, 13, 14, 15, -1, -1, -1, -1,  //
                                1, 2, 3, 5, 6, 7, 9, 10, 11, 13, 14, 15, -1, -1, -1, -1));
    return _mm256_permutevar8x32_epi32(halves, _mm256_setr_epi32(0, 1, 2, 4, 5, 6, 3, 7));
  }
  I2CRC_CRF_MEMBER Row Load(const char* from) {
    const __m256i* bytes = reinterpret_cast<const __m256i*>(from);
    const __m128i last = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + 48));
    return {{Spread(_mm256_loadu_si256(bytes)),
             Spread(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + 24))),
             Spread(_mm256_castsi128_si256(last))}};
  }
  I2CRC_CRF_MEMBER void Store(char* to, const Row& row) {
    // In this order, since each writes over the 8 bytes too many of the one before it.
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), Gathered(row.r[0]));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + 24), Gathered(row.r[1]));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + 48),
                     _mm256_castsi256_si128(Gathered(row.r[2])));
  }
#endif
};
#endif

// Rows that will not be read soon: where the whole of a cache line is written, it need not be read
// from memory before, nor push anything out of the cache. StreamEnds() before another thread reads.
template <typename Rows>
I2CRC_CRF_INLINE void StoreForLater(char* to, const typename Rows::Row& row) {
  if constexpr (Rows::kStreams) {
    Rows::Stream(to, row);
  } else {
    Rows::Store(to, row);
  }
}
template <typename Rows>
I2CRC_CRF_INLINE void StreamEnds() {
#if I2CRC_CRF_NATIVE > 8
  if constexpr (Rows::kStreams) _mm_sfence();
#endif
}

template <typename Row>
I2CRC_CRF_INLINE Row Scaled(float factor, Row row) {
  const Float<Row::kLanes> factors = Broadcast(factor, Float<Row::kLanes>{});
  for (int i = 0; i < Row::kRegisters; ++i) row.r[i] *= factors;
  return row;
}
// sum + factor · row
template <typename Row>
I2CRC_CRF_INLINE Row Plus(Row sum, float factor, const Row& row) {
  const Float<Row::kLanes> factors = Broadcast(factor, Float<Row::kLanes>{});
  for (int i = 0; i < Row::kRegisters; ++i) sum.r[i] = MultiplyAdd(factors, row.r[i], sum.r[i]);
  return sum;
}

}  // namespace
}  // namespace i2crc::crf
