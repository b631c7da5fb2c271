// SPDX-License-Identifier: Apache-2.0
//
// Mean field (ALGORITHM.md, "The dense CRF in detail"): Q ← softmax(−unary − Σ μ · F(Q)).
#include <algorithm>
#include <array>
#include <cmath>
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
      values_[t].resize(static_cast<size_t>(terms_[t].lattice->vertices) * kernels.bytes);
  if (positions_ == nullptr) return;
  region_scratch_.resize(static_cast<size_t>(team_.threads()));
  const auto grid_floats = static_cast<size_t>(kernels.grid_floats);
  const size_t row = static_cast<size_t>(positions_->columns) * grid_floats;
  for (RegionScratch& scratch : region_scratch_) {
    scratch.values.resize(static_cast<size_t>(positions_->places()) * grid_floats +
                          3 * kGridFloatsBeyond);
    scratch.rows.resize(kGridScratchRows * (row + kGridFloatsBeyond) + 3 * kGridFloatsBeyond);
    scratch.terms.resize(terms_.size());
  }
}

void DenseCrf::Impl::Start() {
  RequireProblem();
  if (!has_unary_) throw std::logic_error("DenseCrf: SetUnary or SetProbability comes first");
  MakeRoom();
  Softmax([](Block& block) { return block.negative_unary.data(); });
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
        Blur(*terms_[t].lattice, values_[t]);
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
  std::byte* marginals = positions_ != nullptr ? block.next_marginals.data()
                         : is_last             ? block.marginals.data()
                                               : nullptr;
  ForSliced(block, [&](const SlicedTerm* terms, int64_t begin, int64_t end) {
    block_kernels().update_and_scatter(terms, static_cast<int>(sliced_.size()), splatted_.data(),
                                       static_cast<int>(splatted_.size()),
                                       block.negative_unary.data(), marginals, begin, end);
  });
  TakeNextMarginals(block);
}

// Where regions read the marginals of their neighbours, new ones are written beside the old.
void DenseCrf::Impl::TakeNextMarginals(Block& block) const {
  if (positions_ != nullptr) std::swap(block.marginals, block.next_marginals);
}

// marginals = softmax of the energies that a block is asked for.
template <typename EnergiesOf>
void DenseCrf::Impl::Softmax(const EnergiesOf& energies_of) {
  const Stopwatch watch(times_.update);
  energies_of_blocks_.clear();
  marginals_of_blocks_.clear();
  for (Block& block : blocks_) {
    energies_of_blocks_.push_back(energies_of(block));
    marginals_of_blocks_.push_back(block.marginals.data());
  }
  ForPoints([&](int64_t begin, int64_t end) {
    block_kernels().softmax(energies_of_blocks_.data(), marginals_of_blocks_.data(),
                            static_cast<int>(blocks_.size()), begin, end);
  });
}

// Filters the block's marginals with a term, or leaves that to ForSliced, and adds it to sliced_.
void DenseCrf::Impl::Slice(size_t term, size_t block) {
  if (const Lattice* lattice = terms_[term].lattice.get()) {
    Splat(*lattice, blocks_[block], values_[term]);
    Blur(*lattice, values_[term]);
  }
  sliced_.push_back(Sliced(term, block));
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

void DenseCrf::Impl::Splat(const Lattice& lattice, const Block& block,
                           AlignedVector<std::byte>& values) {
  const Stopwatch watch(times_.splat);
  const BlockKernels& kernels = block_kernels();
  if (lattice.scatters) {
    std::fill(values.begin(), values.end(), std::byte{0});
    kernels.scatter({lattice.slice.data(), lattice.dims + 1, values.data()}, block.marginals.data(),
                    0, points());
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
    kernels.splat(lattice.splat.data(), block.marginals.data(), values.data(), piece(first),
                  piece(first + 1));
  });
}

void DenseCrf::Impl::Blur(const Lattice& lattice, AlignedVector<std::byte>& values) {
  const Stopwatch watch(times_.blur);
  for (const ChainList& chains : lattice.chains) {
    if (chains.pieces.empty()) continue;
    team_.ForEach(static_cast<int64_t>(chains.pieces.size()) - 1, [&](int64_t i) {
      block_kernels().blur(chains.entries.data(), values.data(),
                           chains.pieces[static_cast<size_t>(i)],
                           chains.pieces[static_cast<size_t>(i) + 1]);
    });
  }
}

SlicedTerm DenseCrf::Impl::Sliced(size_t term, size_t block) const {
  const float* factor = terms_[term].factor[block].data();
  if (const PositionLattice* positions = terms_[term].positions.get())
    return {positions->slice.data(), 3, nullptr, factor, positions->places()};
  const Lattice& lattice = *terms_[term].lattice;
  return {lattice.slice.data(), lattice.dims + 1, values_[term].data(), factor, 0};
}

// One block of labels, and no label that speaks to another: energies never leave the registers.
void DenseCrf::Impl::StepFused() {
  Block& block = blocks_.front();
  sliced_.clear();
  for (size_t t = 0; t < terms_.size(); ++t) Slice(t, 0);
  const Stopwatch watch(times_.update);
  std::byte* marginals =
      positions_ != nullptr ? block.next_marginals.data() : block.marginals.data();
  ForSliced(block, [&](const SlicedTerm* terms, int64_t begin, int64_t end) {
    block_kernels().update(terms, static_cast<int>(sliced_.size()), block.negative_unary.data(),
                           marginals, begin, end);
  });
  TakeNextMarginals(block);
}

// energies = −unary − Σ over terms μ · F(Q), of the marginals in the rows.
void DenseCrf::Impl::ComputeEnergies() {
  const BlockKernels& kernels = block_kernels();
  const auto slice = [&](const Block& block, const float* unary, AlignedVector<float>& to) {
    const Stopwatch watch(times_.update);
    ForSliced(block, [&](const SlicedTerm* terms, int64_t begin, int64_t end) {
      kernels.slice(terms, static_cast<int>(sliced_.size()), unary, to.data(), begin, end);
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
  if (blocks_.size() == 1 && !has_matrix()) return StepFused();
  ComputeEnergies();
  Softmax([](Block& block) { return block.energies.data(); });
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
    Softmax([](Block& block) { return block.energies.data(); });
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
