// SPDX-License-Identifier: Apache-2.0
//
// What dense_crf.cc, which poses problems and hands over results, and mean_field.cc, which solves
// them, share.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "i2crc/crf/aligned_vector.h"
#include "i2crc/crf/dense_crf.h"
#include "i2crc/crf/kernels.h"
#include "i2crc/crf/lattice.h"
#include "i2crc/crf/point_order.h"
#include "i2crc/crf/position_lattice.h"
#include "i2crc/crf/require.h"
#include "i2crc/threads/team.h"

namespace i2crc::crf {

// Points, or runs of them, that are worked on in one piece.
constexpr int64_t kPointsAtOnce = 4096;
constexpr int64_t kRunsAtOnce = kPointsAtOnce / kLanePoints;

// Adds the time since its birth to a sum.
class Stopwatch {
 public:
  explicit Stopwatch(double& sum) : sum_(sum) {}
  ~Stopwatch() {
    sum_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
  }
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

 private:
  double& sum_;
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

struct Block {
  int first_label;
  int labels;
  // By point, rows of BlockKernels::floats but for the marginals, whose rows have its bytes.
  AlignedVector<float> negative_unary;
  AlignedVector<std::byte> marginals;
  AlignedVector<std::byte> next_marginals;  // while regions still read those before
  AlignedVector<float> energies;            // negative; marginals where they are handed over
  AlignedVector<float> messages;            // only for matrices
};

struct Term {
  std::shared_ptr<const Lattice> lattice;  // or
  std::shared_ptr<const PositionLattice> positions;
  std::vector<float> diagonal;               // [L], empty for a matrix
  std::vector<float> matrix;                 // [L, L], symmetric
  std::vector<AlignedVector<float>> factor;  // by block, [floats]: −diagonal, or 1
};

// A Gaussian term's lattice knows nothing of an image but its size.
struct KeptGaussian {
  int height;
  int width;
  float sigma_x;
  float sigma_y;
  Normalization normalization;
  bool in_regions;                         // whether that was wished for
  std::shared_ptr<const Lattice> lattice;  // or
  std::shared_ptr<const PositionLattice> positions;
};

// What a thread needs for a region of the image.
struct RegionScratch {
  // Of the term in regions.
  AlignedVector<float> values;
  AlignedVector<float> rows;
  std::vector<SlicedTerm> terms;
  // Of the region's points, by block.
  AlignedVector<float> energies;
  std::vector<float*> energy_rows;
  std::vector<void*> marginal_rows;
};

class DenseCrf::Impl {
 public:
  explicit Impl(const DenseCrfOptions& options)
      : options_(options),
        kernels_(KernelsFor(options.instruction_set)),
        team_(RequiredThreads(options.threads)),
        builder_(kernels_, team_) {
    Require(options.precision != Precision::kPacked || kernels_.has_packed,
            std::string("precision: packed needs another instruction set than ") +
                NameOf(kernels_.instruction_set));
  }

  void Reset(int labels, int height, int width);
  void SetRows(std::span<const float> planes, float clip);
  void AddGaussian(float sigma_x, float sigma_y, const Compatibility& compatibility,
                   Normalization normalization);
  void AddBilateral(float sigma_x, float sigma_y, const std::array<float, 3>& sigma_rgb,
                    std::span<const uint8_t> rgb, const Compatibility& compatibility,
                    Normalization normalization);
  void AddFeatures(std::span<const float> features, int dims, const Compatibility& compatibility,
                   Normalization normalization);
  void Infer(int iterations, std::vector<double>* divergence);
  void Start();
  void Step();
  void SetMarginals(std::span<const float> marginals);
  double Divergence();
  void Marginals(std::span<float> marginals);
  void ArgMax(std::span<int32_t> labels);
  int threads() const { return team_.threads(); }
  void RequireProblem() const {
    if (labels_ == 0) throw std::logic_error("DenseCrf: Reset comes first");
  }

  int labels_ = 0;
  int height_ = 0;
  int width_ = 0;
  DenseCrfTimes times_;
  std::vector<Term> terms_;

 private:
  int64_t points() const { return int64_t{height_} * width_; }
  const BlockKernels& block_kernels() const {
    return kernels_.block(std::min(labels_, labels_of_a_block()), storage_);
  }
  int labels_of_a_block() const {
    return storage_ == Storage::kPacked ? kPackedLabels : kSingleLabels;
  }
  // Whether one thread works on sums that need no packing.
  bool may_scatter() const { return team_.threads() == 1 && storage_ == Storage::kSingle; }
  bool has_matrix() const {
    return std::any_of(terms_.begin(), terms_.end(),
                       [](const Term& term) { return term.diagonal.empty(); });
  }
  size_t floats_of_points() const { return static_cast<size_t>(points() * block_kernels().floats); }
  template <typename Work>
  void ForPoints(const Work& work);
  template <typename Work>
  void ForRuns(const Work& work);
  template <typename Work>
  void ForRegions(const Work& work);
  template <typename Work>
  void ForSliced(const Block& block, const Work& work);
  std::shared_ptr<Lattice> FreeLattice();
  const KeptGaussian& GaussianFor(float sigma_x, float sigma_y, Normalization normalization);
  std::shared_ptr<const Lattice> BuildGaussian(float sigma_x, float sigma_y,
                                               Normalization normalization);
  void AddTerm(std::shared_ptr<const Lattice> lattice,
               std::shared_ptr<const PositionLattice> positions,
               const Compatibility& compatibility);
  void MakeRoom();
  void MakeRoom(RegionScratch& scratch) const;
  void Slice(size_t term, size_t block);
  std::byte* ValuesOf(size_t term, size_t block);
  const SlicedTerm* TermsOf(std::span<const SlicedTerm> terms, const Block& block, size_t region,
                            RegionScratch& scratch);
  void FilterRegion(const PositionLattice& positions, size_t region, const Block& block,
                    RegionScratch& scratch);
  void Splat(const Lattice& lattice, const Block& block, std::byte* values);
  void Blur(const Lattice& lattice, std::byte* values);
  SlicedTerm Sliced(size_t term, size_t block);
  AlignedVector<std::byte>& NextMarginals(Block& block) const;
  void TakeNextMarginals(Block& block) const;
  void StepFused();
  void StepBlocks();
  bool ScattersAll() const;
  void InferScattering(int iterations);
  void UpdateAndScatter(Block& block, bool is_last);
  void ComputeEnergies();
  void ApplyMatrix(const std::vector<float>& matrix, int64_t begin, int64_t end);
  double DivergenceOfEnergies();
  template <typename EnergiesOf>
  void Softmax(const EnergiesOf& energies_of);
  void SoftmaxOfRegion(const Region& region, RegionScratch& scratch);

  DenseCrfOptions options_;
  const Kernels& kernels_;
  Team team_;
  LatticeBuilder builder_;
  PointOrder order_;
  std::vector<Block> blocks_;
  std::vector<AlignedVector<std::byte>> values_;       // by term, [blocks][vertices] rows
  std::vector<AlignedVector<std::byte>> next_values_;  // of the iteration to come
  std::vector<std::shared_ptr<Lattice>> lattices_;     // whose memory is used again
  std::vector<KeptGaussian> gaussians_;                // the last used first
  AlignedVector<float> features_;
  const PositionLattice* positions_ = nullptr;  // of the one term that has one
  std::vector<RegionScratch> region_scratch_;   // by thread
  // Of the passes, kept so that an iteration allocates nothing.
  std::vector<SlicedTerm> sliced_;
  std::vector<SplattedTerm> splatted_;
  std::vector<double> parts_;
  Storage storage_ = Storage::kSingle;
  bool has_unary_ = false;
  bool has_marginals_ = false;
};

template <typename Work>
void DenseCrf::Impl::ForPoints(const Work& work) {
  const int64_t pieces = (points() + kPointsAtOnce - 1) / kPointsAtOnce;
  team_.ForEach(pieces, [&](int64_t i) {
    work(i * kPointsAtOnce, std::min(points(), (i + 1) * kPointsAtOnce));
  });
}

// work(region, scratch) for each region of the image, with scratch of the thread's own.
template <typename Work>
void DenseCrf::Impl::ForRegions(const Work& work) {
  team_.ForEachByThread(static_cast<int64_t>(order_.regions.size()), [&](int64_t i, int thread) {
    work(static_cast<size_t>(i), region_scratch_[static_cast<size_t>(thread)]);
  });
}

// work(terms, begin, end) for all points, terms being those of sliced_ for a block's marginals.
template <typename Work>
void DenseCrf::Impl::ForSliced(const Block& block, const Work& work) {
  const auto is_in_regions = [](const SlicedTerm& term) { return term.places > 0; };
  if (std::none_of(sliced_.begin(), sliced_.end(), is_in_regions))
    return ForPoints([&](int64_t begin, int64_t end) { work(sliced_.data(), begin, end); });
  ForRegions([&](size_t r, RegionScratch& scratch) {
    const Region& region = order_.regions[r];
    work(TermsOf(sliced_, block, r, scratch), region.begin, region.end);
  });
}

template <typename Work>
void DenseCrf::Impl::ForRuns(const Work& work) {
  const auto count = static_cast<int64_t>(order_.runs.size());
  team_.ForEach((count + kRunsAtOnce - 1) / kRunsAtOnce, [&](int64_t i) {
    const int64_t end = std::min(count, (i + 1) * kRunsAtOnce);
    for (int64_t r = i * kRunsAtOnce; r < end; ++r) work(order_.runs[static_cast<size_t>(r)]);
  });
}

}  // namespace i2crc::crf
