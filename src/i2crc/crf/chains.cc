// SPDX-License-Identifier: Apache-2.0
#include "i2crc/crf/chains.h"

#include <algorithm>
#include <array>

namespace i2crc::crf {
namespace {

// Goes along chains, one after the other.
struct Walk {
  const uint32_t* head;  // of this chain
  const uint32_t* heads_end;
  uint32_t vertex;  // the next one to be written
  uint32_t* to;

  Walk(const uint32_t* heads, const uint32_t* end, uint32_t* entries)
      : head(heads), heads_end(end), vertex(*heads), to(entries) {}

  // No branch hangs on where a chain ends: chains are short and of every length. (A conditional
  // expression becomes a branch.) heads_end must be readable, and not reached.
  void Step(const uint32_t* next) {
    const uint32_t after = next[vertex];
    const uint32_t ends = after >> 31;  // that of kNoVertex alone
    *to++ = vertex * 2 + ends;
    head += ends;
    vertex = after ^ ((after ^ *head) & (0 - ends));
  }
  // That can be taken in any case.
  int64_t steps() const { return heads_end - head; }
};

// Several walks at once, since each step waits for the one before it.
class Walks {
 public:
  static constexpr size_t kWalks = 6;
  static constexpr int64_t kHeads = 512;  // of a walk

  explicit Walks(const uint32_t* next) : next_(next) {}

  // Writes the chains of all heads, up to kWalks · kHeads of them; returns the entries' end. Behind
  // the heads one more can be read.
  uint32_t* Go(std::span<const uint32_t> heads, uint32_t* entries) {
    const auto part = static_cast<ptrdiff_t>(heads.size() / kWalks);
    const uint32_t* const first = heads.data();
    // The first one's place is known. The others' is not before those before them are through.
    Walk a(first, first + part, entries);
    Walk b(first + part, first + 2 * part, space_[0].data());
    Walk c(first + 2 * part, first + 3 * part, space_[1].data());
    Walk d(first + 3 * part, first + 4 * part, space_[2].data());
    Walk e(first + 4 * part, first + 5 * part, space_[3].data());
    Walk f(first + 5 * part, first + heads.size(), space_[4].data());
    int64_t room = kRoom;
    for (;;) {
      const int64_t steps =
          std::min({a.steps(), b.steps(), c.steps(), d.steps(), e.steps(), f.steps(), room});
      if (steps <= 0) break;
      room -= steps;
      for (int64_t i = 0; i < steps; ++i) {
        a.Step(next_);
        b.Step(next_);
        c.Step(next_);
        d.Step(next_);
        e.Step(next_);
        f.Step(next_);
      }
    }
    entries = Finish(a, a.to);
    entries = Finish(b, std::copy(space_[0].data(), b.to, entries));
    entries = Finish(c, std::copy(space_[1].data(), c.to, entries));
    entries = Finish(d, std::copy(space_[2].data(), d.to, entries));
    entries = Finish(e, std::copy(space_[3].data(), e.to, entries));
    return Finish(f, std::copy(space_[4].data(), f.to, entries));
  }

 private:
  static constexpr int64_t kRoom = 4 * kHeads;  // entries of a walk

  uint32_t* Finish(Walk walk, uint32_t* entries) const {
    walk.to = entries;
    while (walk.steps() > 0) walk.Step(next_);
    return walk.to;
  }

  const uint32_t* next_;
  std::array<std::array<uint32_t, kRoom>, kWalks - 1> space_;
};

// Where chains begin, each at least kPiece behind the one before it; and the end.
void Cut(std::span<const uint32_t> entries, Pieces& pieces) {
  pieces.clear();
  if (entries.empty()) return;
  pieces.push_back(0);
  for (size_t at = kPiece; at < entries.size(); ++at) {
    if ((entries[at - 1] & 1) == 0) continue;
    pieces.push_back(static_cast<uint32_t>(at));
    at += kPiece - 1;
  }
  pieces.push_back(static_cast<uint32_t>(entries.size()));
}

}  // namespace

void MakeChains(const Kernels& kernels, std::span<const uint32_t> next,
                std::span<const uint8_t> has_previous, AlignedVector<uint32_t>& heads,
                ChainList& list) {
  heads.resize(next.size() + VertexKernels::kHeadsPadding);
  const size_t count = kernels.vertices.heads(next.data(), has_previous.data(),
                                              static_cast<uint32_t>(next.size()), heads.data());
  heads[count] = 0;  // read, but not gone along
  list.entries.resize(next.size() + Lattice::kPadding);
  uint32_t* end = list.entries.data();
  constexpr size_t kAtOnce = Walks::kWalks * Walks::kHeads;
  Walks walks(next.data());
  for (size_t h = 0; h < count; h += kAtOnce)
    end = walks.Go({heads.data() + h, std::min(kAtOnce, count - h)}, end);
  const auto entries = static_cast<size_t>(end - list.entries.data());
  std::fill_n(end, Lattice::kPadding, 0);
  list.entries.resize(entries + Lattice::kPadding);
  Cut({list.entries.data(), entries}, list.pieces);
}

}  // namespace i2crc::crf
