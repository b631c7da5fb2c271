// SPDX-License-Identifier: Apache-2.0
//
// Mean field (ALGORITHM.md, "The dense CRF in detail"): Q ← softmax(−unary − Σ μ · F(Q)).
#include <algorithm>
#include <array>
#include <cmath>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>

#include "i2crc/crf/dense_crf_impl.h"

namespace i2crc::crf {

void DenseCrf::Impl::MakeRoom() {
  const BlockKernels& kernels = block_kernels();
  const size_t bytes = static_cast<size_t>(points()) * kernels.bytes;
  for (Block& block : blocks_) {
    block.marginals.resize(bytes);
    if (positions_ != nullptr) block.next_marginals.resize(bytes);
  }
  values_.resize(std::max(values_.size(), terms_.size()));
  for (size_t t = 0; t < terms_.size(); ++t)
    if (terms_[t].lattice != nullptr)
      values_[t].resize(blocks_.size() * static_cast<size_t>(terms_[t].lattice->vertices) *
                        kernels.bytes);
  region_scratch_.resize(static_cast<size_t>(team_.threads()));
  for (RegionScratch& scratch : region_scratch_) MakeRoom(scratch);
}

void DenseCrf::Impl::MakeRoom(RegionScratch& scratch) const {
  const BlockKernels& kernels = block_kernels();
  const Region& largest = order_.regions.front();
  scratch.energies.resize(blocks_.size() * static_cast<size_t>(largest.end - largest.begin) *
                          static_cast<size_t>(kernels.floats));
  scratch.energy_rows.resize(blocks_.size());
  scratch.marginal_rows.resize(blocks_.size());
  scratch.terms.resize(terms_.size());
  if (positions_ == nullptr) return;
  const auto grid_floats = static_cast<size_t>(kernels.grid_floats);
  const size_t row = static_cast<size_t>(positions_->columns) * grid_floats;
  scratch.values.resize(static_cast<size_t>(positions_->places()) * grid_floats +
                        3 * kGridFloatsBeyond);
  scratch.rows.resize(kGridScratchRows * (row + kGridFloatsBeyond) + 3 * kGridFloatsBeyond);
}

void DenseCrf::Impl::Start() {
  RequireProblem();
  if (!has_unary_) throw std::logic_error("DenseCrf: SetUnary or SetProbability comes first");
  MakeRoom();
  Softmax([](const Block& block) { return block.negative_unary.data(); });
  has_marginals_ = true;
}

bool DenseCrf::Impl::ScattersAll() const {
  return blocks_.size() == 1 && !has_matrix() && !terms_.empty() &&
         std::all_of(
             terms_.begin(), terms_.end(),
             [](const Term& term) { return term.lattice == nullptr || term.lattice->scatters; }) &&
         may_scatter();
}

// One thread, one block of labels, and corners that serve both ways: marginals go from the softmax
// straight into the next iteration's lattices.
void DenseCrf::Impl::InferScattering(int iterations) {
  MakeRoom();
  next_values_.resize(values_.size());
  for (size_t t = 0; t < terms_.size(); ++t) next_values_[t].resize(values_[t].size());
  sliced_.clear();
  UpdateAndScatter(blocks_.front(), iterations == 0);
  for (int i = 1; i <= iterations; ++i) {
    sliced_.clear();
    for (size_t t = 0; t < terms_.size(); ++t) {
      if (terms_[t].lattice != nullptr) {
        std::swap(values_[t], next_values_[t]);
        Blur(*terms_[t].lattice, values_[t].data());
      }
      sliced_.push_back(Sliced(t, 0));
    }
    UpdateAndScatter(blocks_.front(), i == iterations);
  }
  has_marginals_ = true;
}

// Softmax of the unary and of what sliced_ has, into next_values_ and, where they are needed, into
// the marginals.
void DenseCrf::Impl::UpdateAndScatter(Block& block, bool is_last) {
  const Stopwatch watch(times_.update);
  splatted_.clear();
  for (size_t t = 0; t < terms_.size() && !is_last; ++t) {
    if (terms_[t].lattice == nullptr) continue;
    std::fill(next_values_[t].begin(), next_values_[t].end(), std::byte{0});
    const Lattice& lattice = *terms_[t].lattice;
    splatted_.push_back({lattice.slice.data(), lattice.dims + 1, next_values_[t].data()});
  }
  std::byte* marginals = positions_ != nullptr || is_last ? NextMarginals(block).data() : nullptr;
  ForSliced(block, [&](const SlicedTerm* terms, int64_t begin, int64_t end) {
    block_kernels().update_and_scatter(terms, static_cast<int>(sliced_.size()), splatted_.data(),
                                       static_cast<int>(splatted_.size()),
                                       block.negative_unary.data(), marginals, begin, end);
  });
  TakeNextMarginals(block);
}

// Where regions read the marginals of their neighbours, new ones are written beside the old.
AlignedVector<std::byte>& DenseCrf::Impl::NextMarginals(Block& block) const {
  return positions_ != nullptr ? block.next_marginals : block.marginals;
}
void DenseCrf::Impl::TakeNextMarginals(Block& block) const {
  if (positions_ != nullptr) std::swap(block.marginals, block.next_marginals);
}

// The region's next marginals, of the energies in scratch.
void DenseCrf::Impl::SoftmaxOfRegion(const Region& region, RegionScratch& scratch) {
  const BlockKernels& kernels = block_kernels();
  const int64_t count = region.end - region.begin;
  for (size_t b = 0; b < blocks_.size(); ++b) {
    scratch.energy_rows[b] = &scratch.energies[b * static_cast<size_t>(count * kernels.floats)];
    scratch.marginal_rows[b] =
        NextMarginals(blocks_[b]).data() + static_cast<size_t>(region.begin) * kernels.bytes;
  }
  kernels.softmax(scratch.energy_rows.data(), scratch.marginal_rows.data(),
                  static_cast<int>(blocks_.size()), count);
}

// marginals = softmax of the energies that a block is asked for.
template <typename EnergiesOf>
void DenseCrf::Impl::Softmax(const EnergiesOf& energies_of) {
  const Stopwatch watch(times_.update);
  ForRegions([&](size_t r, RegionScratch& scratch) {
    const Region& region = order_.regions[r];
    const auto floats = static_cast<size_t>(block_kernels().floats);
    const size_t count = static_cast<size_t>(region.end - region.begin) * floats;
    for (size_t b = 0; b < blocks_.size(); ++b)
      std::copy_n(energies_of(blocks_[b]) + static_cast<size_t>(region.begin) * floats, count,
                  &scratch.energies[b * count]);
    SoftmaxOfRegion(region, scratch);
  });
  for (Block& block : blocks_) TakeNextMarginals(block);
}

std::byte* DenseCrf::Impl::ValuesOf(size_t term, size_t block) {
  return values_[term].data() + block * values_[term].size() / blocks_.size();
}

// Filters the block's marginals with a term, or leaves that to TermsOf, and adds it to sliced_.
void DenseCrf::Impl::Slice(size_t term, size_t block) {
  if (const Lattice* lattice = terms_[term].lattice.get()) {
    Splat(*lattice, blocks_[block], ValuesOf(term, block));
    Blur(*lattice, ValuesOf(term, block));
  }
  sliced_.push_back(Sliced(term, block));
}

// The terms for a region, where the one in regions has the block's marginals filtered.
const SlicedTerm* DenseCrf::Impl::TermsOf(std::span<const SlicedTerm> terms, const Block& block,
                                          size_t region, RegionScratch& scratch) {
  std::copy(terms.begin(), terms.end(), scratch.terms.begin());
  for (SlicedTerm& term : std::span(scratch.terms).first(terms.size())) {
    if (term.places == 0) continue;
    FilterRegion(*positions_, region, block, scratch);
    term.values = scratch.values.data();
  }
  return scratch.terms.data();
}

void DenseCrf::Impl::FilterRegion(const PositionLattice& positions, size_t region,
                                  const Block& block, RegionScratch& scratch) {
  const PositionLattice::Part& part = positions.parts[region];
  const GridShape shape{part.rows,
                        positions.columns,
                        positions.places(),
                        part.starts_odd,
                        &positions.extents[part.first_extent],
                        positions.holes.data()};
  block_kernels().filter_region(
      shape, positions.splat.empty() ? positions.slice.data() : positions.splat.data(),
      &positions.runs[part.first_run], static_cast<int>(part.end_run - part.first_run),
      block.marginals.data(), scratch.values.data(), scratch.rows.data());
}

void DenseCrf::Impl::Splat(const Lattice& lattice, const Block& block, std::byte* values) {
  const Stopwatch watch(times_.splat);
  const BlockKernels& kernels = block_kernels();
  if (lattice.scatters) {
    std::fill_n(values, static_cast<size_t>(lattice.vertices) * kernels.bytes, std::byte{0});
    kernels.scatter({lattice.slice.data(), lattice.dims + 1, values}, block.marginals.data(), 0,
                    points());
    return;
  }
  const size_t pieces = lattice.splat_pieces.size() - 1;
  const auto piece = [&](size_t i) {
    if (i >= pieces) return SplatPiece{0, 0, 0};
    return SplatPiece{lattice.splat_vertices[i], lattice.splat_pieces[i],
                      lattice.splat_pieces[i + 1]};
  };
  team_.ForEach(static_cast<int64_t>((pieces + 1) / 2), [&](int64_t i) {
    const auto first = static_cast<size_t>(i) * 2;
    kernels.splat(lattice.splat.data(), block.marginals.data(), values, piece(first),
                  piece(first + 1));
  });
}

void DenseCrf::Impl::Blur(const Lattice& lattice, std::byte* values) {
  const Stopwatch watch(times_.blur);
  for (const ChainList& chains : lattice.chains) {
    if (chains.pieces.empty()) continue;
    team_.ForEach(static_cast<int64_t>(chains.pieces.size()) - 1, [&](int64_t i) {
      block_kernels().blur(chains.entries.data(), values, chains.pieces[static_cast<size_t>(i)],
                           chains.pieces[static_cast<size_t>(i) + 1]);
    });
  }
}

SlicedTerm DenseCrf::Impl::Sliced(size_t term, size_t block) {
  const float* factor = terms_[term].factor[block].data();
  if (const PositionLattice* positions = terms_[term].positions.get())
    return {positions->slice.data(), 3, nullptr, factor, positions->places()};
  const Lattice& lattice = *terms_[term].lattice;
  return {lattice.slice.data(), lattice.dims + 1, ValuesOf(term, block), factor, 0};
}

// One block of labels, and no label that speaks to another: energies never leave the registers.
void DenseCrf::Impl::StepFused() {
  Block& block = blocks_.front();
  sliced_.clear();
  for (size_t t = 0; t < terms_.size(); ++t) Slice(t, 0);
  const Stopwatch watch(times_.update);
  ForSliced(block, [&](const SlicedTerm* terms, int64_t begin, int64_t end) {
    block_kernels().update(terms, static_cast<int>(sliced_.size()), block.negative_unary.data(),
                           NextMarginals(block).data(), begin, end);
  });
  TakeNextMarginals(block);
}

// Several blocks, and no label that speaks to another: energies never leave the thread's cache.
void DenseCrf::Impl::StepBlocks() {
  const BlockKernels& kernels = block_kernels();
  sliced_.clear();
  for (size_t b = 0; b < blocks_.size(); ++b)
    for (size_t t = 0; t < terms_.size(); ++t) Slice(t, b);
  const std::span<const SlicedTerm> sliced = sliced_;
  const Stopwatch watch(times_.update);
  ForRegions([&](size_t r, RegionScratch& scratch) {
    const Region& region = order_.regions[r];
    const auto floats = static_cast<size_t>((region.end - region.begin) * kernels.floats);
    for (size_t b = 0; b < blocks_.size(); ++b)
      kernels.slice(
          TermsOf(sliced.subspan(b * terms_.size(), terms_.size()), blocks_[b], r, scratch),
          static_cast<int>(terms_.size()), blocks_[b].negative_unary.data(),
          &scratch.energies[b * floats], region.begin, region.end);
    SoftmaxOfRegion(region, scratch);
  });
  for (Block& block : blocks_) TakeNextMarginals(block);
}

// energies = −unary − Σ over terms μ · F(Q), of the marginals in the rows.
void DenseCrf::Impl::ComputeEnergies() {
  const BlockKernels& kernels = block_kernels();
  const auto slice = [&](const Block& block, const float* unary, AlignedVector<float>& to) {
    const Stopwatch watch(times_.update);
    ForSliced(block, [&](const SlicedTerm* terms, int64_t begin, int64_t end) {
      kernels.slice(terms, static_cast<int>(sliced_.size()), unary,
                    &to[static_cast<size_t>(begin * kernels.floats)], begin, end);
    });
  };
  for (size_t b = 0; b < blocks_.size(); ++b) {
    Block& block = blocks_[b];
    block.energies.resize(floats_of_points());
    sliced_.clear();
    for (size_t t = 0; t < terms_.size(); ++t)
      if (!terms_[t].diagonal.empty()) Slice(t, b);
    slice(block, block.negative_unary.data(), block.energies);
  }
  for (size_t t = 0; t < terms_.size(); ++t) {
    if (!terms_[t].diagonal.empty()) continue;
    for (size_t b = 0; b < blocks_.size(); ++b) {
      Block& block = blocks_[b];
      block.messages.resize(floats_of_points());
      sliced_.clear();
      Slice(t, b);
      slice(block, nullptr, block.messages);
    }
    const Stopwatch watch(times_.update);
    ForPoints([&](int64_t begin, int64_t end) { ApplyMatrix(terms_[t].matrix, begin, end); });
  }
}

// energies −= matrix · messages
void DenseCrf::Impl::ApplyMatrix(const std::vector<float>& matrix, int64_t begin, int64_t end) {
  const auto width = static_cast<size_t>(block_kernels().floats);
  const auto labels = static_cast<size_t>(labels_);
  for (auto p = static_cast<size_t>(begin); p < static_cast<size_t>(end); ++p)
    for (Block& to : blocks_) {
      std::array<float, kPackedLabels> sum{};
      for (const Block& from : blocks_)
        for (size_t l = 0; l < static_cast<size_t>(from.labels); ++l) {
          const float message = from.messages[p * width + l];
          const float* row = &matrix[(static_cast<size_t>(from.first_label) + l) * labels +
                                     static_cast<size_t>(to.first_label)];
          for (size_t i = 0; i < static_cast<size_t>(to.labels); ++i) sum[i] += message * row[i];
        }
      for (size_t i = 0; i < static_cast<size_t>(to.labels); ++i)
        to.energies[p * width + i] -= sum[i];
    }
}

void DenseCrf::Impl::Step() {
  if (!has_marginals_) throw std::logic_error("DenseCrf: Infer, Start or SetMarginals comes first");
  if (!has_unary_) throw std::logic_error("DenseCrf: SetUnary or SetProbability comes first");
  MakeRoom();
  if (!has_matrix()) return blocks_.size() == 1 ? StepFused() : StepBlocks();
  ComputeEnergies();
  Softmax([](const Block& block) { return block.energies.data(); });
}

void DenseCrf::Impl::Infer(int iterations, std::vector<double>* divergence) {
  Require(iterations >= 0, "iterations: " + std::to_string(iterations) + ", expected 0 or more");
  RequireProblem();
  if (divergence == nullptr && has_unary_ && ScattersAll()) return InferScattering(iterations);
  Start();
  for (int i = 0; i < iterations; ++i) {
    if (divergence == nullptr) {
      Step();
      continue;
    }
    ComputeEnergies();
    divergence->push_back(DivergenceOfEnergies());
    Softmax([](const Block& block) { return block.energies.data(); });
  }
  if (divergence == nullptr) return;
  ComputeEnergies();
  divergence->push_back(DivergenceOfEnergies());
}

// Σ Q · (log max(Q, 1e-20) + unary + Σ over terms μ · F(Q)), the energies being those of Q.
double DenseCrf::Impl::DivergenceOfEnergies() {
  const int64_t width = block_kernels().floats;
  parts_.assign(static_cast<size_t>((points() + kPointsAtOnce - 1) / kPointsAtOnce), 0.0);
  for (const Block& block : blocks_)
    ForPoints([&](int64_t begin, int64_t end) {
      std::array<float, kWidestFloats> row;
      double sum = 0;
      for (int64_t p = begin; p < end; ++p) {
        block_kernels().unpack(block.marginals.data(), p, 1, row.data());
        const float* energy = &block.energies[static_cast<size_t>(p * width)];
        for (int l = 0; l < block.labels; ++l) {
          const double q = row[static_cast<size_t>(l)];
          sum += q * (std::log(std::max(q, 1e-20)) - double{energy[l]});
        }
      }
      parts_[static_cast<size_t>(begin / kPointsAtOnce)] += sum;
    });
  double sum = 0;
  for (const double part : parts_) sum += part;
  return sum;
}

double DenseCrf::Impl::Divergence() {
  if (!has_marginals_) throw std::logic_error("DenseCrf: Infer, Start or SetMarginals comes first");
  if (!has_unary_) throw std::logic_error("DenseCrf: SetUnary or SetProbability comes first");
  MakeRoom();
  ComputeEnergies();
  return DivergenceOfEnergies();
}

}  // namespace i2crc::crf
