// SPDX-License-Identifier: Apache-2.0
#include "i2crc/crf/vertices.h"

#include <bit>

namespace i2crc::crf {

NarrowVertices::NarrowVertices(NarrowVerticesMemory& memory, const Kernels& kernels,
                               const FieldPlan& plan, int64_t points)
    : memory_(memory), kernels_(kernels.vertices), plan_(plan) {
  Clear(std::max<size_t>(256, std::bit_ceil(static_cast<size_t>(points) / 3)));
}

void NarrowVertices::Clear(size_t buckets) {
  NarrowBucket empty;
  std::fill_n(empty.keys, NarrowBucket::kPlaces, NarrowBucket::kFree);
  std::fill_n(empty.vertices, NarrowBucket::kPlaces, kNoVertex);
  memory_.buckets.resize(buckets);
  std::fill(memory_.buckets.begin(), memory_.buckets.end(), empty);
  const size_t capacity = buckets * NarrowBucket::kPlaces / 2;
  memory_.keys.resize(capacity + NarrowTable::kBatch);
  table_.keys = memory_.keys.data();
  table_.buckets = memory_.buckets.data();
  table_.mask = buckets - 1;
  table_.shift = 64 - std::countr_zero(buckets);
  table_.capacity = static_cast<uint32_t>(capacity);
}

void NarrowVertices::Grow() {
  Clear(memory_.buckets.size() * 2);
  for (uint32_t vertex = 0; vertex < size(); ++vertex) {
    const Key<1> key{{memory_.keys[vertex]}};
    uint64_t at = key.Hash() >> table_.shift;
    const auto is_full = [&] {
      return memory_.buckets[at].vertices[NarrowBucket::kPlaces - 1] != kNoVertex;
    };
    while (is_full()) at = (at + 1) & table_.mask;
    NarrowBucket& bucket = memory_.buckets[at];
    uint32_t place = 0;
    while (bucket.vertices[place] != kNoVertex) ++place;
    bucket.keys[place] = key.words[0];
    bucket.vertices[place] = vertex;
  }
}

namespace {

// A block's simplices, from features to what its corners are looked up by.
struct AskedBlock {
  static constexpr size_t kMost = kLanePoints * (kMaxDims + 1);
  alignas(64) std::array<int32_t, kMost> cells;
  alignas(64) std::array<int32_t, kMost> order;
  alignas(64) std::array<float, kMost> weights;
  alignas(64) std::array<uint64_t, kMost> keys;
  alignas(64) std::array<uint64_t, kMost> hashes;

  NarrowCorners corners() { return {keys.data(), hashes.data(), weights.data()}; }
};

}  // namespace

void NarrowVertices::Meet(const SimplexSource& source, AlignedVector<float>& ones, Corner* slice) {
  const int dims = source.dims();
  const auto d = static_cast<size_t>(dims);
  const KeySteps<1> steps(plan_, d);
  std::array<int, kMaxDims> bits;
  std::array<uint64_t, kMaxDims + 1> step{};
  for (size_t i = 0; i < d; ++i) bits[i] = plan_.fields[i].bit;
  for (size_t i = 0; i <= d; ++i) step[i] = steps.step[i].words[0];
  const NarrowKeyPlan plan{steps.bias.words[0], bits.data(), step.data()};

  std::array<AskedBlock, 2> asked;
  const auto ask = [&](size_t block) {
    AskedBlock& next = asked[block % 2];
    source.Compute(block, {next.cells.data(), next.order.data(), next.weights.data()});
    kernels_.keys(table_, plan, dims, next.cells.data(), next.order.data(), next.corners());
  };
  ones.clear();
  // A block's keys are asked for while the one before it is looked up.
  ask(0);
  for (size_t block = 0; block < source.blocks(); ++block) {
    if (block + 1 < source.blocks()) ask(block + 1);
    while (size() + kLanePoints * (d + 1) > table_.capacity) Grow();
    if (ones.size() < table_.capacity) ones.resize(table_.capacity, 0.0F);
    kernels_.meet(table_, asked[block % 2].corners(), dims, static_cast<int>(source.lanes(block)),
                  ones.data(), slice + block * kLanePoints * (d + 1));
  }
  ones.resize(size());
  MakeFilter();
}

void NarrowVertices::MakeFilter() {
  // What the vertices' batches are filled up with; behind the end, nothing finds it.
  std::fill_n(memory_.keys.begin() + size(), NarrowTable::kBatch, uint64_t{0});
  // With 8 to 16 bits a vertex, one in 8 to 16 of those that are not there is asked for in vain.
  const size_t bits = std::bit_ceil(std::max<size_t>(64, size())) * 8;
  memory_.filter.assign(bits / 64, 0);
  table_.filter = memory_.filter.data();
  table_.filter_shift = 64 - std::countr_zero(bits);
  kernels_.fill_filter(table_);
}

void NarrowVertices::FindNeighbours(int dims, int axis, std::span<uint32_t> next,
                                    std::span<uint8_t> has_previous) const {
  const AxisSteps<1> steps(plan_, dims, axis);
  std::fill(has_previous.begin(), has_previous.end(), uint8_t{0});
  kernels_.neighbours(table_, {steps.from_zero.words[0], steps.from_others.words[0]}, next.data(),
                      has_previous.data());
}

}  // namespace i2crc::crf
