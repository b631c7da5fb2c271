// SPDX-License-Identifier: Apache-2.0
//
// The passes of kernels.h, written once with the compilers' vector extension and compiled once for
// each instruction set, by a file that defines before it includes this one:
//   I2CRC_CRF_NATIVE   how many floats the widest register holds: 4, 8 or 16
//   I2CRC_CRF_TABLE    the name of the Kernels to define
//   I2CRC_CRF_SET      its InstructionSet
// No function of the standard library may be used here: the linker keeps one copy of an inline
// function, perhaps the one that this machine cannot run.
#pragma once

#include "i2crc/crf/kernels.h"
#include "i2crc/crf/kernels_grid.h"
#include "i2crc/crf/kernels_rows.h"
#include "i2crc/crf/kernels_simd.h"
#include "i2crc/crf/kernels_simplices.h"
#include "i2crc/crf/kernels_vertices.h"

namespace i2crc::crf {
namespace {

// How far ahead rows are asked for, by entries, corners and points: far enough for the third-level
// cache to answer, near enough for the first not to forget.
constexpr uint32_t kEntriesAhead = 96;
constexpr uint32_t kCornersAhead = 192;
constexpr int64_t kPointsAhead = 16;

// A row by an index whose lowest bit is a flag.
template <typename Rows, typename Bytes>
I2CRC_CRF_INLINE Bytes* FlaggedRow(Bytes* rows, uint32_t index) {
  return rows + size_t{index & ~1u} * (Rows::kBytes / 2);
}

// The flag says how much of a neighbour counts: a chain's end and the next chain's beginning are no
// neighbours. No branch hangs on it, since chains are short and of every length.
constexpr float kGoesOn[2] = {1.0F, 0.0F};
constexpr float kHalfIfGoesOn[2] = {0.5F, 0.0F};

template <typename Rows>
void BlurPass(const uint32_t* entries, void* values, uint32_t begin, uint32_t end) {
  using Row = typename Rows::Row;
  char* rows = static_cast<char*>(values);
  Row before{};
  uint32_t entry = entries[begin];
  Row middle = Rows::Load(FlaggedRow<Rows>(rows, entry));
  for (uint32_t e = begin + 1; e < end; ++e) {
    __builtin_prefetch(FlaggedRow<Rows>(rows, entries[e + kEntriesAhead]));
    const uint32_t next_entry = entries[e];
    const Row next = Rows::Load(FlaggedRow<Rows>(rows, next_entry));
    Rows::Store(FlaggedRow<Rows>(rows, entry),
                Plus(Plus(middle, 0.5F, before), kHalfIfGoesOn[entry & 1], next));
    before = Scaled(kGoesOn[entry & 1], middle);
    middle = next;
    entry = next_entry;
  }
  Rows::Store(FlaggedRow<Rows>(rows, entry), Plus(middle, 0.5F, before));
}

// One run of corners being summed.
template <typename Rows>
struct SplatStream {
  const Corner* corner;
  char* to;
  typename Rows::Row sum;
  uint32_t was_last;  // 1 where the next corner is a vertex's first
};

// Whether a corner is a vertex's last cannot be foreseen, so no branch hangs on it: every partial
// sum is stored, and the last one stays.
template <typename Rows>
I2CRC_CRF_INLINE void SplatStep(SplatStream<Rows>& s, const char* marginals) {
  __builtin_prefetch(FlaggedRow<Rows>(marginals, s.corner[kCornersAhead].index));
  const Corner corner = *s.corner++;
  const typename Rows::Row row = Rows::Load(FlaggedRow<Rows>(marginals, corner.index));
  s.sum = Plus(Scaled(corner.weight, row), kGoesOn[s.was_last], s.sum);
  Rows::Store(s.to, s.sum);
  s.was_last = corner.index & 1;
  s.to += s.was_last * Rows::kBytes;
}

template <typename Rows>
void SplatPass(const Corner* corners, const void* marginals, void* values, const SplatPiece& first,
               const SplatPiece& second) {
  const char* from = static_cast<const char*>(marginals);
  char* to = static_cast<char*>(values);
  // Two pieces at once, since each sum waits for the one before it.
  SplatStream<Rows> a{corners + first.begin, to + size_t{first.vertex} * Rows::kBytes, {}, 1};
  SplatStream<Rows> b{corners + second.begin, to + size_t{second.vertex} * Rows::kBytes, {}, 1};
  const Corner* const a_end = corners + first.end;
  const Corner* const b_end = corners + second.end;
  while (a.corner < a_end && b.corner < b_end) {
    SplatStep(a, from);
    SplatStep(b, from);
  }
  while (a.corner < a_end) SplatStep(a, from);
  while (b.corner < b_end) SplatStep(b, from);
}

template <typename Rows, int kCorners>
I2CRC_CRF_INLINE typename Rows::Row SliceCorners(const Corner* corners, int count,
                                                 const char* values) {
  typename Rows::Row sum{};
  for (int c = 0; c < (kCorners > 0 ? kCorners : count); ++c)
    sum =
        Plus(sum, corners[c].weight, Rows::Load(values + size_t{corners[c].index} * Rows::kBytes));
  return sum;
}

// Points that are updated together: loops over them, one for each step, keep the machine busy where
// one point's steps wait for each other.
constexpr int kTile = 16;

// A tile's rows as they stand in registers.
template <typename Rows>
struct Tile {
  alignas(64) typename Rows::Row row[kTile];
};

// The term of a lattice of positions, whose values are a region's own.
template <typename Rows>
I2CRC_CRF_INLINE void AddTermInRegion(const SlicedTerm& term, int64_t begin, int count,
                                      Tile<Rows>& energies) {
  using Row = typename Rows::Row;
  const float* first = static_cast<const float*>(term.values);
  const float* second = first + int64_t{term.places} * Rows::kFirstPlane;
  const Row factor = Rows::LoadFloats(term.label_factor);
  for (int i = 0; i < count; ++i) {
    const Corner* corner = term.slice + (begin + i) * 3;
    Row filtered{};
    for (int c = 0; c < 3; ++c)
      filtered = Plus(filtered, corner[c].weight, Rows::LoadPlace(first, second, corner[c].index));
    for (int r = 0; r < Row::kRegisters; ++r)
      energies.row[i].r[r] = MultiplyAdd(factor.r[r], filtered.r[r], energies.row[i].r[r]);
  }
}

template <typename Rows, int kCorners>
I2CRC_CRF_INLINE void AddTermOfCorners(const SlicedTerm& term, int64_t begin, int count,
                                       Tile<Rows>& energies) {
  using Row = typename Rows::Row;
  const int corners = kCorners > 0 ? kCorners : term.corners;
  const char* values = static_cast<const char*>(term.values);
  const Row factor = Rows::LoadFloats(term.label_factor);
  for (int i = 0; i < count; ++i) {
    const Corner* corner = term.slice + (begin + i) * corners;
    // The narrowest rows are near enough without.
    for (int c = 0; Rows::kBytes > 16 && c < corners; ++c)
      __builtin_prefetch(values + size_t{corner[c + kPointsAhead * corners].index} * Rows::kBytes);
    const Row filtered = SliceCorners<Rows, kCorners>(corner, corners, values);
    for (int r = 0; r < Row::kRegisters; ++r)
      energies.row[i].r[r] = MultiplyAdd(factor.r[r], filtered.r[r], energies.row[i].r[r]);
  }
}

// Of the points begin … begin + count − 1.
template <typename Rows>
I2CRC_CRF_INLINE void Energies(const SlicedTerm* terms, int term_count, const float* negative_unary,
                               int64_t begin, int count, Tile<Rows>& energies) {
  for (int i = 0; i < count; ++i) {
    if (negative_unary == nullptr) {
      energies.row[i] = {};
      continue;
    }
    const float* unary = negative_unary + (begin + i) * Rows::kFloats;
    energies.row[i] = Rows::LoadFloats(unary);
    // Of the next tile, while this one is worked on.
    for (int at = 0; at < Rows::kFloats; at += 16)
      __builtin_prefetch(unary + kTile * Rows::kFloats + at);
  }
  for (int t = 0; t < term_count; ++t) {
    // Five features and two are what photographs have.
    if (terms[t].places > 0) {
      AddTermInRegion<Rows>(terms[t], begin, count, energies);
    } else if (terms[t].corners == 6) {
      AddTermOfCorners<Rows, 6>(terms[t], begin, count, energies);
    } else if (terms[t].corners == 3) {
      AddTermOfCorners<Rows, 3>(terms[t], begin, count, energies);
    } else {
      AddTermOfCorners<Rows, 0>(terms[t], begin, count, energies);
    }
  }
}

template <typename Rows>
void SlicePass(const SlicedTerm* terms, int term_count, const float* negative_unary,
               float* energies, int64_t begin, int64_t end) {
  Tile<Rows> tile = {};
  for (int64_t p = begin; p < end; p += kTile) {
    const int count = static_cast<int>(end - p < kTile ? end - p : kTile);
    Energies<Rows>(terms, term_count, negative_unary, p, count, tile);
    for (int i = 0; i < count; ++i)
      Rows::StoreFloats(energies + (p - begin + i) * Rows::kFloats, tile.row[i]);
  }
}

// In place, of kTile rows of kWidth negative energies.
template <int kWidth>
I2CRC_CRF_INLINE void SoftmaxTile(float* rows) {
  // Narrow rows share a register, wide ones take several.
  constexpr int kLanes = I2CRC_CRF_NATIVE;
  constexpr int kGroup = kWidth < kLanes ? kWidth : kLanes;
  constexpr int kParts = kWidth < kLanes ? 1 : kWidth / kLanes;
  constexpr int kGroups = kTile * kWidth / (kLanes * kParts);
  using F = Float<kLanes>;
  for (int g = 0; g < kGroups; ++g) {
    float* at = rows + g * kParts * kLanes;
    F largest = LoadUnaligned(at, F{});
    for (int i = 1; i < kParts; ++i) largest = Max(largest, LoadUnaligned(at + i * kLanes, F{}));
    largest = Greatest<kGroup, kLanes>(largest);
    for (int i = 0; i < kParts; ++i)
      StoreUnaligned(at + i * kLanes, LoadUnaligned(at + i * kLanes, F{}) - largest);
  }
  for (int i = 0; i < kTile * kWidth; i += kLanes)
    StoreUnaligned(rows + i, Exp<kLanes>(LoadUnaligned(rows + i, F{})));
  for (int g = 0; g < kGroups; ++g) {
    float* at = rows + g * kParts * kLanes;
    F sum = LoadUnaligned(at, F{});
    for (int i = 1; i < kParts; ++i) sum += LoadUnaligned(at + i * kLanes, F{});
    const F scale = 1.0F / Sum<kGroup, kLanes>(sum);
    for (int i = 0; i < kParts; ++i)
      StoreUnaligned(at + i * kLanes, LoadUnaligned(at + i * kLanes, F{}) * scale);
  }
}

template <typename Rows>
void UpdatePass(const SlicedTerm* terms, int term_count, const float* negative_unary,
                void* marginals, int64_t begin, int64_t end) {
  using Row = typename Rows::Row;
  char* to = static_cast<char*>(marginals);
  Tile<Rows> tile = {};
  for (int64_t p = begin; p < end; p += kTile) {
    const int count = static_cast<int>(end - p < kTile ? end - p : kTile);
    Energies<Rows>(terms, term_count, negative_unary, p, count, tile);
    for (int i = 0; !Rows::kStreams && i < count; ++i)
      __builtin_prefetch(to + (p + i) * static_cast<int64_t>(Rows::kBytes), 1);
    SoftmaxTile<Row::kLanes * Row::kRegisters>(reinterpret_cast<float*>(tile.row));
    for (int i = 0; i < count; ++i)
      StoreForLater<Rows>(to + (p + i) * static_cast<int64_t>(Rows::kBytes), tile.row[i]);
  }
  StreamEnds<Rows>();
}

template <typename Rows, int kCorners>
I2CRC_CRF_INLINE void ScatterCorners(const Corner* corners, int count, char* values,
                                     const typename Rows::Row& row) {
  for (int c = 0; c < (kCorners > 0 ? kCorners : count); ++c) {
    char* to = values + size_t{corners[c].index} * Rows::kBytes;
    // Rounded after the product and after the sum, as splat does it.
    Rows::Store(to, Plus(Scaled(corners[c].weight, row), 1.0F, Rows::Load(to)));
  }
}

template <typename Rows>
I2CRC_CRF_INLINE void ScatterPoint(const SplattedTerm& term, int64_t point,
                                   const typename Rows::Row& row) {
  const Corner* corners = term.slice + point * term.corners;
  char* values = static_cast<char*>(term.values);
  if (term.corners == 6) {
    ScatterCorners<Rows, 6>(corners, 6, values, row);
  } else if (term.corners == 3) {
    ScatterCorners<Rows, 3>(corners, 3, values, row);
  } else {
    ScatterCorners<Rows, 0>(corners, term.corners, values, row);
  }
}

template <typename Rows>
void ScatterPass(const SplattedTerm& term, const void* marginals, int64_t begin, int64_t end) {
  const char* from = static_cast<const char*>(marginals);
  for (int64_t p = begin; p < end; ++p)
    ScatterPoint<Rows>(term, p, Rows::Load(from + p * static_cast<int64_t>(Rows::kBytes)));
}

// Of the points from begin, to which the same vertices will be splatted as they are sliced from.
template <typename Rows>
I2CRC_CRF_INLINE void AskForVertices(const SplattedTerm* to, int to_count, int64_t begin) {
  // The narrowest rows are near enough without.
  if (Rows::kBytes <= 16) return;
  for (int t = 0; t < to_count; ++t) {
    const Corner* corner = to[t].slice + begin * to[t].corners;
    const char* values = static_cast<const char*>(to[t].values);
    for (int c = 0; c < kTile * to[t].corners; ++c)
      __builtin_prefetch(values + size_t{corner[c].index} * Rows::kBytes, 1);
  }
}

template <typename Rows>
void UpdateAndScatterPass(const SlicedTerm* from, int from_count, const SplattedTerm* to,
                          int to_count, const float* negative_unary, void* marginals, int64_t begin,
                          int64_t end) {
  using Row = typename Rows::Row;
  Tile<Rows> tile = {};
  for (int64_t p = begin; p < end; p += kTile) {
    const int count = static_cast<int>(end - p < kTile ? end - p : kTile);
    AskForVertices<Rows>(to, to_count, p);
    Energies<Rows>(from, from_count, negative_unary, p, count, tile);
    SoftmaxTile<Row::kLanes * Row::kRegisters>(reinterpret_cast<float*>(tile.row));
    if (marginals != nullptr) {
      char* rows = static_cast<char*>(marginals) + p * static_cast<int64_t>(Rows::kBytes);
      for (int i = 0; i < count; ++i) Rows::Store(rows + size_t(i) * Rows::kBytes, tile.row[i]);
    }
    for (int t = 0; t < to_count; ++t)
      for (int i = 0; i < count; ++i) ScatterPoint<Rows>(to[t], p + i, tile.row[i]);
  }
}

template <typename Rows>
void SoftmaxPass(float* const* energies, void* const* marginals, int blocks, int64_t count) {
  using Row = typename Rows::Row;
  using F = Float<Row::kLanes>;
  for (int64_t p = 0; p < count; ++p) {
    F largest = F{} + kNoLabel;
    for (int b = 0; b < blocks; ++b) {
      const Row row = Rows::LoadFloats(energies[b] + p * Rows::kFloats);
      for (int i = 0; i < Row::kRegisters; ++i) largest = Max(largest, row.r[i]);
    }
    largest = Greatest<Row::kLanes, Row::kLanes>(largest);
    F sum{};
    for (int b = 0; b < blocks; ++b) {
      Row row = Rows::LoadFloats(energies[b] + p * Rows::kFloats);
      for (int i = 0; i < Row::kRegisters; ++i) {
        row.r[i] = Exp<Row::kLanes>(row.r[i] - largest);
        sum += row.r[i];
      }
      Rows::StoreFloats(energies[b] + p * Rows::kFloats, row);
    }
    const F scale = 1.0F / Sum<Row::kLanes, Row::kLanes>(sum);
    for (int b = 0; b < blocks; ++b) {
      Row row = Rows::LoadFloats(energies[b] + p * Rows::kFloats);
      for (int i = 0; i < Row::kRegisters; ++i) row.r[i] *= scale;
      StoreForLater<Rows>(static_cast<char*>(marginals[b]) + p * static_cast<int64_t>(Rows::kBytes),
                          row);
    }
  }
  StreamEnds<Rows>();
}

template <typename Rows>
void PackPass(const float* rows, void* marginals, int64_t begin, int64_t end) {
  for (int64_t p = begin; p < end; ++p)
    Rows::Store(static_cast<char*>(marginals) + p * static_cast<int64_t>(Rows::kBytes),
                Rows::LoadFloats(rows + p * Rows::kFloats));
}

template <typename Rows>
void UnpackPass(const void* marginals, int64_t begin, int count, float* rows) {
  const char* from =
      static_cast<const char*>(marginals) + begin * static_cast<int64_t>(Rows::kBytes);
  for (int i = 0; i < count; ++i)
    Rows::StoreFloats(rows + i * Rows::kFloats, Rows::Load(from + size_t(i) * Rows::kBytes));
}

template <typename Rows>
void BestPass(const void* marginals, int64_t begin, int count, int labels, int first_label,
              float* largest, int32_t* best) {
  using Row = typename Rows::Row;
  using F = Float<Row::kLanes>;
  using I = Int<Row::kLanes>;
  const char* from =
      static_cast<const char*>(marginals) + begin * static_cast<int64_t>(Rows::kBytes);
  I lane;
  for (int l = 0; l < Row::kLanes; ++l) lane[l] = l;
  for (int i = 0; i < count; ++i) {
    const Row row = Rows::Load(from + size_t(i) * Rows::kBytes);
    // The first label of the largest value of each lane, then of all lanes.
    F most = F{} - 1.0F;
    I label = I{};
    for (int r = 0; r < Row::kRegisters; ++r) {
      const I here = lane + r * Row::kLanes;
      const I better = (row.r[r] > most) & (here < labels);
      most = better ? row.r[r] : most;
      label = better ? here : label;
    }
    const F of_all = Greatest<Row::kLanes, Row::kLanes>(most);
    label = most == of_all ? label : I{} + 1000;
    const F first = Greatest<Row::kLanes, Row::kLanes>(-__builtin_convertvector(label, F));
    if (of_all[0] > largest[i]) {
      largest[i] = of_all[0];
      best[i] = first_label + static_cast<int32_t>(-first[0]);
    }
  }
}

template <typename Rows>
constexpr BlockKernels kBlock = {Rows::kLabels,
                                 Rows::kFloats,
                                 Rows::kBytes,
                                 Rows::kFirstPlane + Rows::kSecondPlane,
                                 SplatPass<Rows>,
                                 BlurPass<Rows>,
                                 SlicePass<Rows>,
                                 UpdatePass<Rows>,
                                 Rows::kRoundsSums ? nullptr : ScatterPass<Rows>,
                                 Rows::kRoundsSums ? nullptr : UpdateAndScatterPass<Rows>,
                                 FilterRegionPass<Rows>,
                                 SoftmaxPass<Rows>,
                                 PackPass<Rows>,
                                 UnpackPass<Rows>,
                                 BestPass<Rows>};

const BlockKernels& Block(int labels, Storage storage) {
#if I2CRC_CRF_NATIVE > 4
  if (storage == Storage::kPacked) return kBlock<PackedRows>;
#else
  static_cast<void>(storage);
#endif
  if (labels <= 4) return kBlock<SingleRows<4>>;
  if (labels <= 8) return kBlock<SingleRows<8>>;
  return kBlock<SingleRows<16>>;
}

void ToRows(const float* planes, int64_t stride, int labels, int count, float clip, float* rows,
            int width) {
  using F = Float<I2CRC_CRF_NATIVE>;
  alignas(64) float column[kLanePoints] = {};
  for (int l = 0; l < labels; ++l) {
    const float* from = planes + l * stride;
    if (count == kLanePoints) {
      __builtin_memcpy(column, from, sizeof(column));
    } else {
      for (int i = 0; i < count; ++i) column[i] = from[i];
    }
    for (int lane = 0; lane < kLanePoints; lane += I2CRC_CRF_NATIVE) {
      F value = LoadUnaligned(column + lane, F{});
      if (clip > 0) {
        value = Max(value, Broadcast(clip, F{}));
        value = Log<I2CRC_CRF_NATIVE>(-Max(-value, F{} - 1.0F));
      } else {
        value = Max(-value, Broadcast(kCannotBe, F{}));
      }
      StoreUnaligned(column + lane, value);
    }
    for (int i = 0; i < count; ++i) rows[i * width + l] = column[i];
  }
  for (int i = 0; i < count; ++i)
    for (int l = labels; l < width; ++l) rows[i * width + l] = kNoLabel;
}

}  // namespace

extern const Kernels I2CRC_CRF_TABLE;
const Kernels I2CRC_CRF_TABLE = {I2CRC_CRF_SET,
                                 I2CRC_CRF_NATIVE > 4,
                                 SimplexPass,
                                 BoundsPass,
                                 {KeysPass, MeetPass, FilterPass, NeighboursPass, HeadsPass},
                                 ToRows,
                                 Block};

}  // namespace i2crc::crf
