// SPDX-License-Identifier: Apache-2.0
#include "i2crc/steps/crf_inference.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>

#include "i2crc/core/error.h"

namespace i2crc {
namespace {

// What DenseCrf takes.
constexpr int64_t kMaxCrfPixels = int64_t{1} << 27;
constexpr int64_t kMaxCrfValues = int64_t{1} << 31;
constexpr int kMaxCrfLabels = 1 << 16;

std::span<const float> Plane(const CrfUnary& unary, int label) {
  const size_t pixels = unary.values.size() / static_cast<size_t>(unary.labels);
  return unary.values.subspan(static_cast<size_t>(label) * pixels, pixels);
}

double MeanProbability(const CrfUnary& unary, int label) {
  const auto plane = Plane(unary, label);
  double sum = 0;
  for (const float value : plane)
    sum += unary.kind == CrfUnary::Kind::kEnergy ? std::exp(-double{value}) : double{value};
  return sum / static_cast<double>(plane.size());
}

std::vector<int> LabelsOfMass(const CrfUnary& unary, double bound) {
  std::vector<int> kept;
  int likeliest = 0;
  double most = -1;
  for (int label = 0; label < unary.labels; ++label) {
    const double mean = MeanProbability(unary, label);
    if (mean >= bound) kept.push_back(label);
    if (mean > most) likeliest = label;
    most = std::max(most, mean);
  }
  if (kept.empty()) kept.push_back(likeliest);
  return kept;
}

}  // namespace

struct CrfRunner::Worker {
  crf::DenseCrf problem;
  std::vector<float> planes;     // of the labels that count
  std::vector<float> marginals;  // of those
  std::vector<int32_t> labels;

  // The unary of the labels that count, which are as they stand where all do.
  std::span<const float> Gather(const CrfUnary& unary, const std::vector<int>& kept) {
    if (kept.size() == static_cast<size_t>(unary.labels)) return unary.values;
    planes.clear();
    for (const int label : kept) {
      const auto plane = Plane(unary, label);
      planes.insert(planes.end(), plane.begin(), plane.end());
    }
    return planes;
  }

  void Infer(const CrfSettings& settings, const CrfUnary& unary, const std::vector<int>& kept,
             const ImageU8& rgb);
  CrfOutput Output(const CrfUnary& unary, const std::vector<int>& kept, bool want_marginals);
};

void CrfRunner::Worker::Infer(const CrfSettings& settings, const CrfUnary& unary,
                              const std::vector<int>& kept, const ImageU8& rgb) {
  problem.Reset(static_cast<int>(kept.size()), rgb.height(), rgb.width());
  const auto values = Gather(unary, kept);
  if (unary.kind == CrfUnary::Kind::kEnergy) {
    problem.SetUnary(values);
  } else {
    problem.SetProbability(values, settings.clip);
  }
  const crf::PairwiseSettings& p = settings.pairwise;
  // A term of weight 0 changes nothing but the time.
  if (p.gaussian_weight != 0)
    problem.AddGaussian(p.gaussian_sigma, p.gaussian_sigma,
                        crf::Compatibility::Potts(p.gaussian_weight), settings.normalization);
  if (p.bilateral_weight != 0)
    problem.AddBilateral(p.bilateral_sigma_xy, p.bilateral_sigma_xy,
                         {p.bilateral_sigma_rgb, p.bilateral_sigma_rgb, p.bilateral_sigma_rgb},
                         rgb.values(), crf::Compatibility::Potts(p.bilateral_weight),
                         settings.normalization);
  problem.Infer(p.iterations);
}

CrfOutput CrfRunner::Worker::Output(const CrfUnary& unary, const std::vector<int>& kept,
                                    bool want_marginals) {
  CrfOutput output;
  const auto pixels = static_cast<size_t>(problem.pixels());
  labels.resize(pixels);
  problem.ArgMax(labels);
  output.mask = Image<uint16_t>(problem.height(), problem.width(), 1);
  std::transform(labels.begin(), labels.end(), output.mask.values().begin(), [&](int32_t label) {
    return static_cast<uint16_t>(kept[static_cast<size_t>(label)]);
  });
  if (!want_marginals) return output;
  output.marginals.resize(unary.values.size());
  if (kept.size() == static_cast<size_t>(unary.labels)) {
    problem.Marginals(output.marginals);
    return output;
  }
  marginals.resize(kept.size() * pixels);
  problem.Marginals(marginals);
  for (size_t k = 0; k < kept.size(); ++k)
    std::copy_n(&marginals[k * pixels], pixels,
                &output.marginals[static_cast<size_t>(kept[k]) * pixels]);
  return output;
}

CrfRunner::CrfRunner(const CrfSettings& settings, int threads_an_image, Context& context)
    : settings_(settings), threads_an_image_(threads_an_image), context_(context) {
  try {
    idle_.push_back(MakeWorker());
  } catch (const std::invalid_argument& error) {
    // "precision: cause"
    Fail("--crf-{}", error.what());
  }
}

CrfRunner::~CrfRunner() = default;

std::unique_ptr<CrfRunner::Worker> CrfRunner::MakeWorker() const {
  auto worker = std::make_unique<Worker>(Worker{
      crf::DenseCrf({.threads = threads_an_image_, .precision = settings_.precision}), {}, {}, {}});
  context_.WarnOfFewThreads(worker->problem.threads(), threads_an_image_);
  return worker;
}

std::unique_ptr<CrfRunner::Worker> CrfRunner::Take() {
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      auto worker = std::move(idle_.back());
      idle_.pop_back();
      return worker;
    }
  }
  return MakeWorker();
}

void CrfRunner::GiveBack(std::unique_ptr<Worker> worker) {
  const std::lock_guard lock(mutex_);
  idle_.push_back(std::move(worker));
}

CrfOutput CrfRunner::Run(const CrfUnary& unary, const ImageU8& rgb, std::span<const int> tags,
                         bool want_marginals, const std::string& name) {
  ENSURE(unary.labels > 0 && rgb.channels() == 3 &&
             unary.values.size() == static_cast<size_t>(unary.labels) * rgb.pixels(),
         "{}: {} values of {} labels for {}x{} pixels", name, unary.values.size(), unary.labels,
         rgb.width(), rgb.height());
  const std::vector<int> kept = LabelsThatCount(settings_, unary, tags);
  // One whose image failed is not used again.
  std::unique_ptr<Worker> worker = Take();
  CrfOutput output;
  try {
    worker->Infer(settings_, unary, kept, rgb);
    output = worker->Output(unary, kept, want_marginals);
  } catch (const std::invalid_argument& error) {
    Fail("{}: {}", name, error.what());
  }
  GiveBack(std::move(worker));
  return output;
}

std::vector<int> LabelsThatCount(const CrfSettings& settings, const CrfUnary& unary,
                                 std::span<const int> tags) {
  if (settings.labels == CrfLabels::kMass) return LabelsOfMass(unary, settings.mass);
  if (settings.labels == CrfLabels::kTags) {
    std::vector<int> kept = {0};
    for (const int tag : tags) {
      ENSURE(tag >= 0 && tag + 1 < unary.labels, "tag {} of {} labels", tag, unary.labels);
      kept.push_back(tag + 1);
    }
    std::sort(kept.begin(), kept.end());
    return kept;
  }
  std::vector<int> all(static_cast<size_t>(unary.labels));
  std::iota(all.begin(), all.end(), 0);
  return all;
}

void CheckCrfSize(int labels, int height, int width, const std::string& name) {
  const int64_t pixels = int64_t{height} * width;
  if (labels > kMaxCrfLabels || pixels > kMaxCrfPixels || labels * pixels >= kMaxCrfValues)
    Fail("{}: {} labels of {}x{} pixels are too many for the CRF (at most {}, {} and {} in all)",
         name, labels, width, height, kMaxCrfLabels, kMaxCrfPixels, kMaxCrfValues - 1);
}

}  // namespace i2crc
