// SPDX-License-Identifier: Apache-2.0
#include "i2crc/crf/dense_crf.h"

#include <algorithm>
#include <array>
#include <limits>
#include <string>
#include <utility>

#include "i2crc/crf/dense_crf_impl.h"

namespace i2crc::crf {
namespace {

// Sizes for which Gaussian lattices are kept.
constexpr size_t kGaussiansKept = 8;

}  // namespace

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
  // No problem, should memory not suffice for this one.
  labels_ = 0;
  has_unary_ = has_marginals_ = false;
  terms_.clear();
  positions_ = nullptr;
  if (height != height_ || width != width_) {
    height_ = width_ = 0;
    order_ = PointOrder(height, width);
  }
  height_ = height;
  width_ = width;
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
  labels_ = labels;
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
                             std::shared_ptr<const PositionLattice> positions,
                             const Compatibility& compatibility) {
  Term term{std::move(lattice), std::move(positions), compatibility.Diagonal(labels_), {}, {}};
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
  if (terms_.back().positions != nullptr) positions_ = terms_.back().positions.get();
}

void DenseCrf::Impl::AddGaussian(float sigma_x, float sigma_y, const Compatibility& compatibility,
                                 Normalization normalization) {
  RequireProblem();
  RequireSigma("sigma_x", sigma_x, width_);
  RequireSigma("sigma_y", sigma_y, height_);
  const Stopwatch watch(times_.build);
  const KeptGaussian& gaussian = GaussianFor(sigma_x, sigma_y, normalization);
  AddTerm(gaussian.lattice, gaussian.positions, compatibility);
}

const KeptGaussian& DenseCrf::Impl::GaussianFor(float sigma_x, float sigma_y,
                                                Normalization normalization) {
  // One pass goes through the regions, so one term can be in them.
  const bool in_regions = positions_ == nullptr;
  const auto kept = std::find_if(gaussians_.begin(), gaussians_.end(), [&](const KeptGaussian& g) {
    return g.height == height_ && g.width == width_ && g.sigma_x == sigma_x &&
           g.sigma_y == sigma_y && g.normalization == normalization && g.in_regions == in_regions &&
           (may_scatter() || g.lattice == nullptr || !g.lattice->scatters);
  });
  if (kept != gaussians_.end()) {
    std::rotate(gaussians_.begin(), kept, kept + 1);
    return gaussians_.front();
  }
  KeptGaussian made{height_, width_, sigma_x, sigma_y, normalization, in_regions, nullptr, nullptr};
  if (in_regions)
    made.positions = BuildPositionLattice(kernels_, order_, sigma_x, sigma_y, normalization);
  if (made.positions == nullptr) made.lattice = BuildGaussian(sigma_x, sigma_y, normalization);
  if (gaussians_.size() == kGaussiansKept) gaussians_.pop_back();
  gaussians_.insert(gaussians_.begin(), std::move(made));
  return gaussians_.front();
}

std::shared_ptr<const Lattice> DenseCrf::Impl::BuildGaussian(float sigma_x, float sigma_y,
                                                             Normalization normalization) {
  const auto count = static_cast<size_t>(points());
  features_.resize(2 * count);
  for (const Run& run : order_.runs)
    for (int i = 0; i < run.count; ++i) {
      const auto point = static_cast<size_t>(run.point + i);
      features_[point] = static_cast<float>(run.pixel % width_ + i) / sigma_x;
      features_[count + point] = static_cast<float>(run.pixel / width_) / sigma_y;
    }
  auto lattice = std::make_shared<Lattice>();
  builder_.Build(features_.data(), 2, points(), normalization, may_scatter(), *lattice);
  return lattice;
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
  for (const Run& run : order_.runs) {
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
  AddTerm(lattice, nullptr, compatibility);
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
    for (const Run& run : order_.runs)
      std::copy_n(features.data() + j * count + static_cast<size_t>(run.pixel), run.count,
                  features_.data() + j * count + static_cast<size_t>(run.point));
  const std::shared_ptr<Lattice> lattice = FreeLattice();
  builder_.Build(features_.data(), dims, points(), normalization, may_scatter(), *lattice);
  AddTerm(lattice, nullptr, compatibility);
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
int DenseCrf::threads() const { return impl_->threads(); }
int DenseCrf::labels() const { return impl_->labels_; }
int DenseCrf::height() const { return impl_->height_; }
int DenseCrf::width() const { return impl_->width_; }
const DenseCrfTimes& DenseCrf::times() const { return impl_->times_; }
std::vector<int64_t> DenseCrf::lattice_sizes() const {
  std::vector<int64_t> sizes;
  for (const Term& term : impl_->terms_)
    sizes.push_back(term.positions != nullptr ? term.positions->vertices : term.lattice->vertices);
  return sizes;
}

}  // namespace i2crc::crf
