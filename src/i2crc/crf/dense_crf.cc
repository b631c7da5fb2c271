// SPDX-License-Identifier: Apache-2.0
#include "i2crc/crf/dense_crf.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <limits>
#include <stdexcept>
#include <string>

#include "i2crc/crf/kernels.h"
#include "i2crc/crf/lattice.h"
#include "i2crc/crf/require.h"
#include "i2crc/crf/thread_team.h"

namespace i2crc::crf {
namespace {

// Points are numbered by square tiles, so that those that share vertices stand together.
constexpr int kTileSide = kLanePoints;
// Points, or runs of them, that are worked on in one piece.
constexpr int64_t kPointsAtOnce = 4096;
constexpr int64_t kRunsAtOnce = kPointsAtOnce / kLanePoints;
// Sizes for which Gaussian lattices are kept.
constexpr size_t kGaussiansKept = 8;

// Pixels that stand together in the image and among the points.
struct Run {
  int64_t pixel;
  int64_t point;
  int count;
};

std::vector<Run> TileRuns(int height, int width) {
  std::vector<Run> runs;
  runs.reserve(static_cast<size_t>(height) *
               static_cast<size_t>((width + kTileSide - 1) / kTileSide));
  int64_t point = 0;
  for (int top = 0; top < height; top += kTileSide)
    for (int left = 0; left < width; left += kTileSide)
      for (int y = top; y < std::min(height, top + kTileSide); ++y) {
        const int count = std::min(kTileSide, width - left);
        runs.push_back({int64_t{y} * width + left, point, count});
        point += count;
      }
  return runs;
}

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
  AlignedVector<float> energies;  // negative; marginals where they are handed over
  AlignedVector<float> messages;  // only for matrices
};

struct Term {
  std::shared_ptr<const Lattice> lattice;
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
  std::shared_ptr<const Lattice> lattice;
};

}  // namespace

class DenseCrf::Impl {
 public:
  explicit Impl(const DenseCrfOptions& options)
      : options_(options),
        kernels_(KernelsFor(options.instruction_set)),
        team_(CoresIfZero(options.threads)),
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
  std::shared_ptr<Lattice> FreeLattice();
  void AddTerm(std::shared_ptr<const Lattice> lattice, const Compatibility& compatibility);
  void MakeRoom();
  void Filter(const Term& term, const Block& block, AlignedVector<std::byte>& values);
  void Splat(const Lattice& lattice, const Block& block, AlignedVector<std::byte>& values);
  void Blur(const Lattice& lattice, AlignedVector<std::byte>& values);
  SlicedTerm Sliced(size_t term, size_t block) const;
  void StepFused();
  bool ScattersAll() const;
  void InferScattering(int iterations);
  void Scatter(Block& block, bool is_last);
  void ComputeEnergies();
  void ApplyMatrix(const std::vector<float>& matrix, int64_t begin, int64_t end);
  double DivergenceOfEnergies();
  template <typename EnergiesOf>
  void Softmax(const EnergiesOf& energies_of);

  DenseCrfOptions options_;
  const Kernels& kernels_;
  ThreadTeam team_;
  LatticeBuilder builder_;
  std::vector<Run> runs_;
  std::vector<Block> blocks_;
  std::vector<AlignedVector<std::byte>> values_;       // by term, [vertices] rows
  std::vector<AlignedVector<std::byte>> next_values_;  // of the iteration to come
  std::vector<std::shared_ptr<Lattice>> lattices_;     // whose memory is used again
  std::vector<KeptGaussian> gaussians_;                // the last used first
  AlignedVector<float> features_;
  // Of the passes, kept so that an iteration allocates nothing.
  std::vector<SlicedTerm> sliced_;
  std::vector<SplattedTerm> splatted_;
  std::vector<const float*> energies_of_blocks_;
  std::vector<void*> marginals_of_blocks_;
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

template <typename Work>
void DenseCrf::Impl::ForRuns(const Work& work) {
  const auto count = static_cast<int64_t>(runs_.size());
  team_.ForEach((count + kRunsAtOnce - 1) / kRunsAtOnce, [&](int64_t i) {
    const int64_t end = std::min(count, (i + 1) * kRunsAtOnce);
    for (int64_t r = i * kRunsAtOnce; r < end; ++r) work(runs_[static_cast<size_t>(r)]);
  });
}

void DenseCrf::Impl::Reset(int labels, int height, int width) {
  Require(labels >= 1 && labels <= 1 << 16,
          "labels: " + std::to_string(labels) + ", expected 1 to 65536");
  Require(height >= 1, "height: " + std::to_string(height) + ", expected 1 or more");
  Require(width >= 1, "width: " + std::to_string(width) + ", expected 1 or more");
  Require(int64_t{height} * width <= int64_t{1} << 27,
          "height and width: " + std::to_string(height) + " x " + std::to_string(width) +
              " are more than 2^27 pixels");
  Require(int64_t{height} * width * labels < int64_t{1} << 31,
          "labels: " + std::to_string(labels) + " of " + std::to_string(height) + " x " +
              std::to_string(width) + " pixels are more than 2^31 values");
  if (height != height_ || width != width_) runs_ = TileRuns(height, width);
  labels_ = labels;
  height_ = height;
  width_ = width;
  terms_.clear();
  // Up to kSingleLabels, floats fit into a cache line as well.
  const bool packs = options_.precision == Precision::kPacked ||
                     (options_.precision == Precision::kAuto && labels > kSingleLabels);
  storage_ = packs && kernels_.has_packed ? Storage::kPacked : Storage::kSingle;
  const int most = labels_of_a_block();
  blocks_.resize(static_cast<size_t>((labels + most - 1) / most));
  int first = 0;
  for (Block& block : blocks_) {
    block.first_label = first;
    block.labels = std::min(most, labels - first);
    first += block.labels;
  }
  has_unary_ = has_marginals_ = false;
}

void DenseCrf::Impl::SetRows(std::span<const float> planes, float clip) {
  RequireProblem();
  const char* name = clip > 0 ? "probability" : "energy";
  RequireSize(name, planes.size(), points() * labels_);
  if (clip > 0) {
    RequireWithin(name, planes, 0, std::numeric_limits<float>::max());
  } else {
    RequireWithin(name, planes, -kLargestNumber, std::numeric_limits<float>::infinity());
  }
  const Stopwatch watch(times_.convert);
  const int width = block_kernels().floats;
  for (Block& block : blocks_) {
    block.negative_unary.resize(floats_of_points());
    const float* from = planes.data() + block.first_label * points();
    ForRuns([&](const Run& run) {
      kernels_.to_rows(from + run.pixel, points(), block.labels, run.count, clip,
                       &block.negative_unary[static_cast<size_t>(run.point * width)], width);
    });
  }
  has_unary_ = true;
  has_marginals_ = false;
}

std::shared_ptr<Lattice> DenseCrf::Impl::FreeLattice() {
  for (const std::shared_ptr<Lattice>& lattice : lattices_)
    if (lattice.use_count() == 1) return lattice;
  lattices_.push_back(std::make_shared<Lattice>());
  return lattices_.back();
}

void DenseCrf::Impl::AddTerm(std::shared_ptr<const Lattice> lattice,
                             const Compatibility& compatibility) {
  Term term{std::move(lattice), compatibility.Diagonal(labels_), {}, {}};
  if (term.diagonal.empty()) term.matrix = compatibility.Symmetric(labels_);
  const auto width = static_cast<size_t>(block_kernels().floats);
  for (const Block& block : blocks_) {
    AlignedVector<float> factor(width);
    for (size_t l = 0; l < width; ++l) {
      const bool is_label = l < static_cast<size_t>(block.labels);
      const size_t label = static_cast<size_t>(block.first_label) + l;
      factor[l] = !is_label ? 0.0F : term.diagonal.empty() ? 1.0F : -term.diagonal[label];
    }
    term.factor.push_back(std::move(factor));
  }
  terms_.push_back(std::move(term));
}

void DenseCrf::Impl::AddGaussian(float sigma_x, float sigma_y, const Compatibility& compatibility,
                                 Normalization normalization) {
  RequireProblem();
  RequireSigma("sigma_x", sigma_x, width_);
  RequireSigma("sigma_y", sigma_y, height_);
  const Stopwatch watch(times_.build);
  const auto kept = std::find_if(gaussians_.begin(), gaussians_.end(), [&](const KeptGaussian& g) {
    return g.height == height_ && g.width == width_ && g.sigma_x == sigma_x &&
           g.sigma_y == sigma_y && g.normalization == normalization &&
           (may_scatter() || !g.lattice->scatters);
  });
  if (kept != gaussians_.end()) {
    std::rotate(gaussians_.begin(), kept, kept + 1);
  } else {
    const auto count = static_cast<size_t>(points());
    features_.resize(2 * count);
    for (const Run& run : runs_)
      for (int i = 0; i < run.count; ++i) {
        const auto point = static_cast<size_t>(run.point + i);
        features_[point] = static_cast<float>(run.pixel % width_ + i) / sigma_x;
        features_[count + point] = static_cast<float>(run.pixel / width_) / sigma_y;
      }
    auto lattice = std::make_shared<Lattice>();
    builder_.Build(features_.data(), 2, points(), normalization, may_scatter(), *lattice);
    if (gaussians_.size() == kGaussiansKept) gaussians_.pop_back();
    gaussians_.insert(gaussians_.begin(),
                      {height_, width_, sigma_x, sigma_y, normalization, std::move(lattice)});
  }
  AddTerm(gaussians_.front().lattice, compatibility);
}

void DenseCrf::Impl::AddBilateral(float sigma_x, float sigma_y,
                                  const std::array<float, 3>& sigma_rgb,
                                  std::span<const uint8_t> rgb, const Compatibility& compatibility,
                                  Normalization normalization) {
  RequireProblem();
  RequireSigma("sigma_x", sigma_x, width_);
  RequireSigma("sigma_y", sigma_y, height_);
  for (const float sigma : sigma_rgb) RequireSigma("sigma_rgb", sigma, 256);
  RequireSize("rgb", rgb.size(), points() * 3);
  const Stopwatch watch(times_.build);
  const auto count = static_cast<size_t>(points());
  features_.resize(5 * count);
  std::array<std::array<float, 256>, 3> colour;
  for (size_t c = 0; c < 3; ++c)
    for (size_t v = 0; v < 256; ++v) colour[c][v] = static_cast<float>(v) / sigma_rgb[c];
  for (const Run& run : runs_) {
    const float y = static_cast<float>(run.pixel / width_) / sigma_y;
    const int64_t left = run.pixel % width_;
    for (int i = 0; i < run.count; ++i) {
      const auto point = static_cast<size_t>(run.point + i);
      const uint8_t* pixel = &rgb[static_cast<size_t>(run.pixel + i) * 3];
      features_[point] = static_cast<float>(left + i) / sigma_x;
      features_[count + point] = y;
      for (size_t c = 0; c < 3; ++c) features_[(2 + c) * count + point] = colour[c][pixel[c]];
    }
  }
  const std::shared_ptr<Lattice> lattice = FreeLattice();
  builder_.Build(features_.data(), 5, points(), normalization, may_scatter(), *lattice);
  AddTerm(lattice, compatibility);
}

void DenseCrf::Impl::AddFeatures(std::span<const float> features, int dims,
                                 const Compatibility& compatibility, Normalization normalization) {
  RequireProblem();
  Require(dims >= 1 && dims <= kMaxDims,
          "dims: " + std::to_string(dims) + ", expected 1 to " + std::to_string(kMaxDims));
  RequireSize("features", features.size(), points() * dims);
  RequireWithin("features", features, -kLargestNumber, kLargestNumber);
  const Stopwatch watch(times_.build);
  const auto count = static_cast<size_t>(points());
  features_.resize(features.size());
  for (size_t j = 0; j < static_cast<size_t>(dims); ++j)
    for (const Run& run : runs_)
      std::copy_n(features.data() + j * count + static_cast<size_t>(run.pixel), run.count,
                  features_.data() + j * count + static_cast<size_t>(run.point));
  const std::shared_ptr<Lattice> lattice = FreeLattice();
  builder_.Build(features_.data(), dims, points(), normalization, may_scatter(), *lattice);
  AddTerm(lattice, compatibility);
}

void DenseCrf::Impl::MakeRoom() {
  const size_t bytes = block_kernels().bytes;
  for (Block& block : blocks_) block.marginals.resize(static_cast<size_t>(points()) * bytes);
  values_.resize(std::max(values_.size(), terms_.size()));
  for (size_t t = 0; t < terms_.size(); ++t)
    values_[t].resize(static_cast<size_t>(terms_[t].lattice->vertices) * bytes);
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
         std::all_of(terms_.begin(), terms_.end(),
                     [](const Term& term) { return term.lattice->scatters; });
}

// One thread, one block of labels, and corners that serve both ways: marginals go from the softmax
// straight into the next iteration's lattices.
void DenseCrf::Impl::InferScattering(int iterations) {
  MakeRoom();
  next_values_.resize(values_.size());
  for (size_t t = 0; t < terms_.size(); ++t) next_values_[t].resize(values_[t].size());
  sliced_.clear();
  Scatter(blocks_.front(), iterations == 0);
  for (int i = 1; i <= iterations; ++i) {
    sliced_.clear();
    for (size_t t = 0; t < terms_.size(); ++t) {
      std::swap(values_[t], next_values_[t]);
      Blur(*terms_[t].lattice, values_[t]);
      sliced_.push_back(Sliced(t, 0));
    }
    Scatter(blocks_.front(), i == iterations);
  }
  has_marginals_ = true;
}

// Softmax of the unary and of what sliced_ has, into next_values_, or at last into the marginals.
void DenseCrf::Impl::Scatter(Block& block, bool is_last) {
  const Stopwatch watch(times_.update);
  splatted_.clear();
  for (size_t t = 0; t < terms_.size() && !is_last; ++t) {
    std::fill(next_values_[t].begin(), next_values_[t].end(), std::byte{0});
    const Lattice& lattice = *terms_[t].lattice;
    splatted_.push_back({lattice.slice.data(), lattice.dims + 1, next_values_[t].data()});
  }
  block_kernels().update_and_scatter(sliced_.data(), static_cast<int>(sliced_.size()),
                                     splatted_.data(), static_cast<int>(splatted_.size()),
                                     block.negative_unary.data(),
                                     is_last ? block.marginals.data() : nullptr, 0, points());
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

void DenseCrf::Impl::Filter(const Term& term, const Block& block,
                            AlignedVector<std::byte>& values) {
  Splat(*term.lattice, block, values);
  Blur(*term.lattice, values);
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
  return {terms_[term].lattice->slice.data(), terms_[term].lattice->dims + 1, values_[term].data(),
          terms_[term].factor[block].data()};
}

// One block of labels, and no label that speaks to another: energies never leave the registers.
void DenseCrf::Impl::StepFused() {
  Block& block = blocks_.front();
  sliced_.clear();
  for (size_t t = 0; t < terms_.size(); ++t) {
    Filter(terms_[t], block, values_[t]);
    sliced_.push_back(Sliced(t, 0));
  }
  const Stopwatch watch(times_.update);
  ForPoints([&](int64_t begin, int64_t end) {
    block_kernels().update(sliced_.data(), static_cast<int>(sliced_.size()),
                           block.negative_unary.data(), block.marginals.data(), begin, end);
  });
}

// energies = −unary − Σ over terms μ · F(Q), of the marginals in the rows.
void DenseCrf::Impl::ComputeEnergies() {
  const BlockKernels& kernels = block_kernels();
  for (size_t b = 0; b < blocks_.size(); ++b) {
    Block& block = blocks_[b];
    block.energies.resize(floats_of_points());
    sliced_.clear();
    for (size_t t = 0; t < terms_.size(); ++t) {
      if (terms_[t].diagonal.empty()) continue;
      Filter(terms_[t], block, values_[t]);
      sliced_.push_back(Sliced(t, b));
    }
    const Stopwatch watch(times_.update);
    ForPoints([&](int64_t begin, int64_t end) {
      kernels.slice(sliced_.data(), static_cast<int>(sliced_.size()), block.negative_unary.data(),
                    block.energies.data(), begin, end);
    });
  }
  for (size_t t = 0; t < terms_.size(); ++t) {
    if (!terms_[t].diagonal.empty()) continue;
    for (size_t b = 0; b < blocks_.size(); ++b) {
      Block& block = blocks_[b];
      block.messages.resize(floats_of_points());
      Filter(terms_[t], block, values_[t]);
      const SlicedTerm sliced = Sliced(t, b);
      const Stopwatch watch(times_.update);
      ForPoints([&](int64_t begin, int64_t end) {
        kernels.slice(&sliced, 1, nullptr, block.messages.data(), begin, end);
      });
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

void DenseCrf::Impl::SetMarginals(std::span<const float> marginals) {
  RequireProblem();
  RequireSize("marginals", marginals.size(), points() * labels_);
  RequireWithin("marginals", marginals, 0, 2);  // what a lattice of packed rows holds
  MakeRoom();
  const int width = block_kernels().floats;
  for (Block& block : blocks_) {
    block.energies.assign(floats_of_points(), 0.0F);
    ForRuns([&](const Run& run) {
      for (int l = 0; l < block.labels; ++l)
        for (int i = 0; i < run.count; ++i)
          block.energies[static_cast<size_t>((run.point + i) * width + l)] =
              marginals[static_cast<size_t>((block.first_label + l) * points() + run.pixel + i)];
    });
    ForPoints([&](int64_t begin, int64_t end) {
      block_kernels().pack(block.energies.data(), block.marginals.data(), begin, end);
    });
  }
  has_marginals_ = true;
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

void DenseCrf::Impl::Marginals(std::span<float> marginals) {
  RequireProblem();
  RequireSize("marginals", marginals.size(), points() * labels_);
  if (!has_marginals_) throw std::logic_error("DenseCrf: Infer, Start or SetMarginals comes first");
  const Stopwatch watch(times_.convert);
  const BlockKernels& kernels = block_kernels();
  for (const Block& block : blocks_)
    ForRuns([&](const Run& run) {
      std::array<float, kLanePoints * kWidestFloats> rows;
      kernels.unpack(block.marginals.data(), run.point, run.count, rows.data());
      for (int l = 0; l < block.labels; ++l)
        for (int i = 0; i < run.count; ++i)
          marginals[static_cast<size_t>((block.first_label + l) * points() + run.pixel + i)] =
              rows[static_cast<size_t>(i * kernels.floats + l)];
    });
}

void DenseCrf::Impl::ArgMax(std::span<int32_t> labels) {
  RequireProblem();
  RequireSize("labels", labels.size(), points());
  if (!has_marginals_) throw std::logic_error("DenseCrf: Infer, Start or SetMarginals comes first");
  const Stopwatch watch(times_.convert);
  ForRuns([&](const Run& run) {
    std::array<float, kLanePoints> largest;
    largest.fill(-1.0F);
    for (const Block& block : blocks_)
      block_kernels().best(block.marginals.data(), run.point, run.count, block.labels,
                           block.first_label, largest.data(),
                           &labels[static_cast<size_t>(run.pixel)]);
  });
}

DenseCrf::DenseCrf(const DenseCrfOptions& options) : impl_(std::make_unique<Impl>(options)) {}
DenseCrf::~DenseCrf() = default;
DenseCrf::DenseCrf(DenseCrf&&) noexcept = default;
DenseCrf& DenseCrf::operator=(DenseCrf&&) noexcept = default;

void DenseCrf::Reset(int labels, int height, int width) { impl_->Reset(labels, height, width); }
void DenseCrf::SetUnary(std::span<const float> energy) { impl_->SetRows(energy, 0); }
void DenseCrf::SetProbability(std::span<const float> probability, float clip) {
  Require(clip >= std::numeric_limits<float>::min() && clip <= 1,
          "clip: " + std::to_string(clip) + ", expected more than 0 and at most 1");
  impl_->SetRows(probability, clip);
}
void DenseCrf::AddGaussian(float sigma_x, float sigma_y, const Compatibility& compatibility,
                           Normalization normalization) {
  impl_->AddGaussian(sigma_x, sigma_y, compatibility, normalization);
}
void DenseCrf::AddBilateral(float sigma_x, float sigma_y, const std::array<float, 3>& sigma_rgb,
                            std::span<const uint8_t> rgb, const Compatibility& compatibility,
                            Normalization normalization) {
  impl_->AddBilateral(sigma_x, sigma_y, sigma_rgb, rgb, compatibility, normalization);
}
void DenseCrf::AddFeatures(std::span<const float> features, int dims,
                           const Compatibility& compatibility, Normalization normalization) {
  impl_->AddFeatures(features, dims, compatibility, normalization);
}
void DenseCrf::Infer(int iterations) { impl_->Infer(iterations, nullptr); }
std::vector<double> DenseCrf::InferWithDivergence(int iterations) {
  std::vector<double> divergence;
  impl_->Infer(iterations, &divergence);
  return divergence;
}
void DenseCrf::Start() { impl_->Start(); }
void DenseCrf::Step() { impl_->Step(); }
void DenseCrf::SetMarginals(std::span<const float> marginals) { impl_->SetMarginals(marginals); }
double DenseCrf::Divergence() { return impl_->Divergence(); }
void DenseCrf::Marginals(std::span<float> marginals) const { impl_->Marginals(marginals); }
void DenseCrf::ArgMax(std::span<int32_t> labels) const { impl_->ArgMax(labels); }
int DenseCrf::labels() const { return impl_->labels_; }
int DenseCrf::height() const { return impl_->height_; }
int DenseCrf::width() const { return impl_->width_; }
const DenseCrfTimes& DenseCrf::times() const { return impl_->times_; }
std::vector<int64_t> DenseCrf::lattice_sizes() const {
  std::vector<int64_t> sizes;
  for (const Term& term : impl_->terms_) sizes.push_back(term.lattice->vertices);
  return sizes;
}

}  // namespace i2crc::crf
