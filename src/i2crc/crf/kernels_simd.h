// SPDX-License-Identifier: Apache-2.0
//
// Part of kernels_impl.h: vectors of floats, and what is done with their lanes.
#pragma once

#if I2CRC_CRF_NATIVE > 4
#include <immintrin.h>
#endif

#include <cstdint>

#define I2CRC_CRF_INLINE static inline __attribute__((always_inline))
#define I2CRC_CRF_MEMBER static __attribute__((always_inline))

namespace i2crc::crf {
namespace {

template <int kWidth>
struct VectorOf;
template <>
struct VectorOf<4> {
  typedef float Float __attribute__((vector_size(16)));
  typedef int32_t Int __attribute__((vector_size(16)));
  typedef uint32_t UInt __attribute__((vector_size(16)));
};
template <>
struct VectorOf<8> {
  typedef float Float __attribute__((vector_size(32)));
  typedef int32_t Int __attribute__((vector_size(32)));
  typedef uint32_t UInt __attribute__((vector_size(32)));
};
template <>
struct VectorOf<16> {
  typedef float Float __attribute__((vector_size(64)));
  typedef int32_t Int __attribute__((vector_size(64)));
  typedef uint32_t UInt __attribute__((vector_size(64)));
};
template <int kWidth>
using Float = typename VectorOf<kWidth>::Float;
template <int kWidth>
using Int = typename VectorOf<kWidth>::Int;
template <int kWidth>
using UInt = typename VectorOf<kWidth>::UInt;

// A number in every lane. (Adding it to zeros is an addition: −0 + 0 is 0.)
I2CRC_CRF_INLINE Float<4> Broadcast(float v, Float<4>) { return Float<4>{v, v, v, v}; }
I2CRC_CRF_INLINE Float<8> Broadcast(float v, Float<8>) { return Float<8>{v, v, v, v, v, v, v, v}; }
I2CRC_CRF_INLINE Float<16> Broadcast(float v, Float<16>) {
  return Float<16>{v, v, v, v, v, v, v, v, v, v, v, v, v, v, v, v};
}

I2CRC_CRF_INLINE Float<4> MultiplyAdd(Float<4> a, Float<4> b, Float<4> c) {
#if I2CRC_CRF_NATIVE > 4
  return _mm_fmadd_ps(a, b, c);
#else
  return a * b + c;
#endif
}
I2CRC_CRF_INLINE Float<4> Max(Float<4> a, Float<4> b) { return a > b ? a : b; }
I2CRC_CRF_INLINE Float<4> LoadUnaligned(const float* from, Float<4>) {
  Float<4> value;
  __builtin_memcpy(&value, from, sizeof(value));
  return value;
}
#if I2CRC_CRF_NATIVE > 4
I2CRC_CRF_INLINE Float<8> MultiplyAdd(Float<8> a, Float<8> b, Float<8> c) {
  return _mm256_fmadd_ps(a, b, c);
}
I2CRC_CRF_INLINE Float<8> Max(Float<8> a, Float<8> b) { return _mm256_max_ps(a, b); }
I2CRC_CRF_INLINE Float<8> LoadUnaligned(const float* from, Float<8>) {
  return _mm256_loadu_ps(from);
}
#endif
#if I2CRC_CRF_NATIVE > 8
I2CRC_CRF_INLINE Float<16> MultiplyAdd(Float<16> a, Float<16> b, Float<16> c) {
  return _mm512_fmadd_ps(a, b, c);
}
I2CRC_CRF_INLINE Float<16> Max(Float<16> a, Float<16> b) { return _mm512_max_ps(a, b); }
I2CRC_CRF_INLINE Float<16> LoadUnaligned(const float* from, Float<16>) {
  return _mm512_loadu_ps(from);
}
#endif
template <typename Vector>
I2CRC_CRF_INLINE void StoreUnaligned(float* to, Vector value) {
  __builtin_memcpy(to, &value, sizeof(value));
}

// e^x within 2e-7 of itself for x ≤ 0, and 0 below −69: what is less than 1e-30 would only make
// numbers too small for the machine to be fast with.
template <int kLanes>
I2CRC_CRF_INLINE Float<kLanes> Exp(Float<kLanes> x) {
  using F = Float<kLanes>;
  using I = Int<kLanes>;
  const I kept = x >= -69.0F;
  x = Max(x, F{} - 69.0F);
  constexpr float kRounder = 12582912.0F;  // 1.5 · 2^23: adding it rounds to an integer
  const F shifted = MultiplyAdd(x, F{} + 1.44269504F, F{} + kRounder);
  const F whole = shifted - kRounder;
  // ln 2 in two parts, the first with so few bits that whole · ln 2 is exact.
  F rest = MultiplyAdd(whole, F{} - 0.693359375F, x);
  rest = MultiplyAdd(whole, F{} + 2.12194440e-4F, rest);
  F sum = F{} + 1.9875691500e-4F;
  sum = MultiplyAdd(sum, rest, F{} + 1.3981999507e-3F);
  sum = MultiplyAdd(sum, rest, F{} + 8.3334519073e-3F);
  sum = MultiplyAdd(sum, rest, F{} + 4.1665795894e-2F);
  sum = MultiplyAdd(sum, rest, F{} + 1.6666665459e-1F);
  sum = MultiplyAdd(sum, rest, F{} + 5.0000001201e-1F);
  sum = MultiplyAdd(sum, rest * rest, rest + 1.0F);
  const I exponent = (reinterpret_cast<I>(shifted) - 0x4B400000 + 127) << 23;
  return reinterpret_cast<F>(reinterpret_cast<I>(sum * reinterpret_cast<F>(exponent)) & kept);
}

// Each lane with the one whose number differs in the bit kStep.
template <int kStep>
I2CRC_CRF_INLINE Float<4> Exchanged(Float<4> v) {
  return __builtin_shufflevector(v, v, 0 ^ kStep, 1 ^ kStep, 2 ^ kStep, 3 ^ kStep);
}
template <int kStep>
I2CRC_CRF_INLINE Float<8> Exchanged(Float<8> v) {
  return __builtin_shufflevector(v, v, 0 ^ kStep, 1 ^ kStep, 2 ^ kStep, 3 ^ kStep, 4 ^ kStep,
                                 5 ^ kStep, 6 ^ kStep, 7 ^ kStep);
}
template <int kStep>
I2CRC_CRF_INLINE Float<16> Exchanged(Float<16> v) {
  return __builtin_shufflevector(v, v, 0 ^ kStep, 1 ^ kStep, 2 ^ kStep, 3 ^ kStep, 4 ^ kStep,
                                 5 ^ kStep, 6 ^ kStep, 7 ^ kStep, 8 ^ kStep, 9 ^ kStep, 10 ^ kStep,
                                 11 ^ kStep, 12 ^ kStep, 13 ^ kStep, 14 ^ kStep, 15 ^ kStep);
}
// The greatest of each group of kGroup lanes, or their sum, in every lane of the group.
template <int kGroup, int kLanes>
I2CRC_CRF_INLINE Float<kLanes> Greatest(Float<kLanes> v) {
  v = Max(v, Exchanged<1>(v));
  v = Max(v, Exchanged<2>(v));
  if constexpr (kGroup > 4) v = Max(v, Exchanged<4>(v));
  if constexpr (kGroup > 8) v = Max(v, Exchanged<8>(v));
  return v;
}
template <int kGroup, int kLanes>
I2CRC_CRF_INLINE Float<kLanes> Sum(Float<kLanes> v) {
  v += Exchanged<1>(v);
  v += Exchanged<2>(v);
  if constexpr (kGroup > 4) v += Exchanged<4>(v);
  if constexpr (kGroup > 8) v += Exchanged<8>(v);
  return v;
}

// log x within 1e-7 of itself, for x from the smallest normal number to 1.
template <int kLanes>
I2CRC_CRF_INLINE Float<kLanes> Log(Float<kLanes> x) {
  using F = Float<kLanes>;
  using I = Int<kLanes>;
  // x = m · 2^e with m from √½ to √2.
  I bits = reinterpret_cast<I>(x);
  const I e = (bits - 0x3F3504F3) >> 23;
  bits -= e << 23;
  const F f = reinterpret_cast<F>(bits) - 1.0F;
  F sum = F{} + 7.0376836292e-2F;
  sum = MultiplyAdd(sum, f, F{} - 1.1514610310e-1F);
  sum = MultiplyAdd(sum, f, F{} + 1.1676998740e-1F);
  sum = MultiplyAdd(sum, f, F{} - 1.2420140846e-1F);
  sum = MultiplyAdd(sum, f, F{} + 1.4249322787e-1F);
  sum = MultiplyAdd(sum, f, F{} - 1.6668057665e-1F);
  sum = MultiplyAdd(sum, f, F{} + 2.0000714765e-1F);
  sum = MultiplyAdd(sum, f, F{} - 2.4999993993e-1F);
  sum = MultiplyAdd(sum, f, F{} + 3.3333331174e-1F);
  const F square = f * f;
  const F whole = __builtin_convertvector(e, F);
  const F tail =
      MultiplyAdd(square * f, sum, MultiplyAdd(whole, F{} - 2.12194440e-4F, -0.5F * square));
  return MultiplyAdd(whole, F{} + 0.693359375F, f + tail);
}

}  // namespace
}  // namespace i2crc::crf
