// SPDX-License-Identifier: Apache-2.0
#include "crf_measure.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <functional>
#include <span>
#include <utility>

#include "i2crc/core/error.h"
#include "i2crc/crf/kernels.h"

namespace i2crc::bench {
namespace {

const crf::PairwiseSettings kSettings = crf::SettingsOf(crf::Preset::kDeeplab);

// One problem, and both ways to its answer: from energies in to labels out.
struct Problem {
  int labels = 0;
  const ImageU8& rgb;
  std::span<const float> energy;
};

void Solve(crf::DenseCrf& crf, const Problem& problem, std::span<int32_t> argmax) {
  crf.Reset(problem.labels, problem.rgb.height(), problem.rgb.width());
  crf.SetUnary(problem.energy);
  crf::AddTerms(crf, kSettings, problem.rgb.values());
  crf.Infer(kSettings.iterations);
  crf.ArgMax(argmax);
}

PlainCrf SolvePlainly(const Problem& problem, std::span<int32_t> argmax) {
  PlainCrf crf(problem.labels, problem.rgb.height(), problem.rgb.width());
  crf.SetUnary(problem.energy);
  crf.AddGaussian(kSettings.gaussian_sigma, kSettings.gaussian_weight);
  crf.AddBilateral(kSettings.bilateral_sigma_xy, kSettings.bilateral_sigma_rgb,
                   problem.rgb.values(), kSettings.bilateral_weight);
  crf.Infer(kSettings.iterations);
  crf.ArgMax(argmax);
  return crf;
}

struct Answer {
  std::vector<float> marginals;
  std::vector<int32_t> argmax;
  double splat_seconds = 0;  // ours only
};

Answer EmptyAnswer(const Problem& problem) {
  return {std::vector<float>(problem.energy.size()), std::vector<int32_t>(problem.rgb.pixels()), 0};
}

Answer PlainAnswer(const Problem& problem) {
  Answer answer = EmptyAnswer(problem);
  SolvePlainly(problem, answer.argmax).Marginals(answer.marginals);
  return answer;
}

Answer OurAnswer(const Problem& problem, const crf::DenseCrfOptions& options) {
  Answer answer = EmptyAnswer(problem);
  crf::DenseCrf crf(options);
  Solve(crf, problem, answer.argmax);
  crf.Marginals(answer.marginals);
  answer.splat_seconds = crf.times().splat;
  return answer;
}

Agreement Compare(const Answer& a, const Answer& b) {
  Agreement agreement;
  size_t equal = 0;
  for (size_t p = 0; p < a.argmax.size(); ++p) equal += a.argmax[p] == b.argmax[p] ? 1 : 0;
  for (size_t i = 0; i < a.marginals.size(); ++i) {
    double difference = std::abs(double{a.marginals[i]} - double{b.marginals[i]});
    if (std::isnan(difference)) difference = HUGE_VAL;
    agreement.largest_difference = std::max(agreement.largest_difference, difference);
    agreement.mean_difference += difference;
  }
  agreement.labels_equal = static_cast<double>(equal) / static_cast<double>(a.argmax.size());
  agreement.mean_difference /= static_cast<double>(a.marginals.size());
  return agreement;
}

void RequireGood(const std::string& what, const Agreement& agreement) {
  if (!agreement.good())
    Fail(
        "{}: {:.4f} % of the labels are equal, marginals differ by up to {:.2g}; expected 99.99 % "
        "and 0.002",
        what, 100 * agreement.labels_equal, agreement.largest_difference);
}

double Seconds(const std::function<void()>& work) {
  const auto begun = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
}

double MedianOfValues(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  if (values.size() % 2 == 1) return *middle;
  return (*middle + *std::max_element(values.begin(), middle)) / 2;
}

template <typename Times>
Times MedianOfMembers(const std::vector<Times>& times,
                      std::initializer_list<double Times::*> members) {
  Times median;
  for (const auto member : members) {
    std::vector<double> values;
    for (const Times& one : times) values.push_back(one.*member);
    median.*member = MedianOfValues(std::move(values));
  }
  return median;
}

crf::DenseCrfTimes Since(const crf::DenseCrfTimes& before, const crf::DenseCrfTimes& now) {
  return {now.build - before.build, now.splat - before.splat, now.blur - before.blur,
          now.update - before.update, now.convert - before.convert};
}

ImageTimes TimeImage(const Problem& problem, const MeasureOptions& options) {
  crf::DenseCrf one(options.Crf(1));
  crf::DenseCrf two(options.Crf(2));
  std::vector<int32_t> argmax(problem.rgb.pixels());
  // To the memory, and the Gaussian lattice, that an object keeps between images.
  Solve(one, problem, argmax);
  Solve(two, problem, argmax);
  ImageTimes times;
  std::vector<PlainTimes> peer_phases;
  std::vector<crf::DenseCrfTimes> phases;
  for (int repetition = 0; repetition < options.repetitions; ++repetition) {
    times.peer.seconds.push_back(
        Seconds([&] { peer_phases.push_back(SolvePlainly(problem, argmax).times()); }));
    const crf::DenseCrfTimes before = one.times();
    times.one_thread.seconds.push_back(Seconds([&] { Solve(one, problem, argmax); }));
    phases.push_back(Since(before, one.times()));
    times.two_threads.seconds.push_back(Seconds([&] { Solve(two, problem, argmax); }));
  }
  times.peer_phases = MedianOf(peer_phases);
  times.phases = MedianOf(phases);
  return times;
}

std::vector<std::vector<int32_t>> SolveBatch(const std::vector<ImageU8>& images, int64_t count,
                                             int threads, const Problem& problem,
                                             const MeasureOptions& options) {
  std::vector<std::vector<int32_t>> results(static_cast<size_t>(count));
  crf::ForEachImage(count, threads, options.Crf(1), [&](crf::DenseCrf& crf, int64_t i) {
    const auto at = static_cast<size_t>(i);
    results[at].resize(problem.rgb.pixels());
    Solve(crf, {problem.labels, images[at % images.size()], problem.energy}, results[at]);
  });
  return results;
}

BatchRates TimeBatch(const Problem& problem, double image_seconds, const MeasureOptions& options) {
  std::vector<ImageU8> images;
  for (int turns = 0; turns < 4; ++turns) images.push_back(Mirrored(problem.rgb, turns));
  BatchRates batch;
  const int64_t fitting = std::llround(options.batch_seconds / image_seconds / 4) * 4;
  batch.images = std::clamp<int64_t>(fitting, 8, 64);
  std::vector<double> ratios;
  for (int repetition = 0; repetition < options.batch_repetitions; ++repetition) {
    std::vector<std::vector<int32_t>> one, two;
    const double one_seconds =
        Seconds([&] { one = SolveBatch(images, batch.images, 1, problem, options); });
    const double two_seconds =
        Seconds([&] { two = SolveBatch(images, batch.images, 2, problem, options); });
    if (one != two) Fail("{} labels: a batch on two threads gives other labels", problem.labels);
    batch.one_thread.seconds.push_back(one_seconds);
    batch.two_threads.seconds.push_back(two_seconds);
    ratios.push_back(one_seconds / two_seconds);
  }
  batch.ratio = MedianOfValues(std::move(ratios));
  return batch;
}

// How marginals and lattice values were kept. What kAuto chose shows in the answer.
crf::Storage StorageOf(const Problem& problem, const Answer& answer,
                       const MeasureOptions& options) {
  MeasureOptions single = options;
  single.precision = crf::Precision::kSingle;
  return OurAnswer(problem, single.Crf(1)).marginals == answer.marginals ? crf::Storage::kSingle
                                                                         : crf::Storage::kPacked;
}

// TrafficText says the same in words.
Traffic TrafficOf(int labels, crf::Storage storage, bool scattered, const PlainCrf& lattices,
                  crf::InstructionSet instruction_set) {
  Traffic traffic;
  traffic.packed = storage == crf::Storage::kPacked;
  traffic.scattered = scattered;
  const int room = traffic.packed ? crf::kPackedLabels : crf::kSingleLabels;
  const crf::BlockKernels& kernels =
      crf::KernelsFor(instruction_set).block(std::min(labels, room), storage);
  traffic.row_bytes = static_cast<double>(kernels.bytes);
  traffic.energy_bytes = 4.0 * kernels.floats;
  traffic.blocks = (labels + room - 1) / room;
  const double row = traffic.row_bytes;
  const auto pixels = static_cast<double>(lattices.lattice(0).points());
  double block_bytes = 0;
  for (const size_t term : {0, 1}) {
    const PlainLattice& lattice = lattices.lattice(term);
    const auto vertices = static_cast<double>(lattice.vertices());
    const double corners = 8 * pixels * (lattice.dims() + 1);
    if (lattice.dims() == 2) {
      // Region by region: its values never leave the cache.
      block_bytes += corners + pixels * row;
      traffic.working_set += corners;
      continue;
    }
    double chained = 0;
    for (int axis = 0; axis <= lattice.dims(); ++axis)
      chained += static_cast<double>(lattice.Connected(axis));
    // Rows of floats are scattered into, packed ones gathered by a list of its own.
    block_bytes += traffic.packed ? corners + vertices * row : 3 * vertices * row;
    if (!traffic.packed && !scattered) block_bytes += corners;
    if (!scattered) block_bytes += pixels * row;
    block_bytes += chained * (4 + 2 * row);   // blur
    block_bytes += corners + vertices * row;  // slice
    traffic.working_set += (traffic.packed ? 2 : 1) * corners + 4 * chained;
    traffic.working_set += (scattered ? 2 : 1) * vertices * row;
  }
  const double marginals = pixels * row;
  const double energies = pixels * traffic.energy_bytes;
  block_bytes += energies + marginals;
  traffic.bytes = traffic.blocks * block_bytes;
  traffic.working_set += traffic.blocks * (2 * marginals + energies);
  return traffic;
}

}  // namespace

std::string TrafficText() {
  return fmt::format(
      "with N pixels, a row of R bytes a pixel or vertex and E bytes of energies a pixel, and for "
      "each lattice d features and T = 8·N(d+1) bytes of corners: the lattice of positions, which "
      "is filtered region by region, T + N·R; the bilateral one, of V vertices, C_j of which have "
      "a "
      "neighbour on axis j, splat of packed rows T + N·R + V·R, of floats T + N·R + 3V·R (cleared, "
      "then added to), or 3V·R where it is part of the update; blur Σ_j C_j·(4 + 2R); slice "
      "T + V·R; and the update N·E + N·R. More than {} labels, or {} if packed, are worked on in "
      "blocks of as many: all that for each block. Every row and table counts once a pass, as if a "
      "cache held what is needed several times: what truly moves is more",
      crf::kSingleLabels, crf::kPackedLabels);
}

double Series::Least() const { return *std::min_element(seconds.begin(), seconds.end()); }
double Series::Median() const { return MedianOfValues(seconds); }

crf::DenseCrfTimes MedianOf(const std::vector<crf::DenseCrfTimes>& times) {
  using T = crf::DenseCrfTimes;
  return MedianOfMembers(times, {&T::build, &T::splat, &T::blur, &T::update, &T::convert});
}

PlainTimes MedianOf(const std::vector<PlainTimes>& times) {
  using T = PlainTimes;
  return MedianOfMembers(times, {&T::build, &T::splat, &T::blur, &T::slice, &T::update});
}

GoldenAgreement CompareWithGolden(const std::string& name, const CrfGolden& golden,
                                  const MeasureOptions& options) {
  const Problem problem{golden.labels, golden.rgb, golden.energy};
  const Answer expected{golden.marginals, {golden.argmax.begin(), golden.argmax.end()}, 0};
  GoldenAgreement golden_agreement{name, Compare(PlainAnswer(problem), expected),
                                   Compare(OurAnswer(problem, options.Crf(1)), expected)};
  RequireGood(name + ", the peer against the golden", golden_agreement.peer);
  RequireGood(name + ", ours against the golden", golden_agreement.ours);
  return golden_agreement;
}

LabelMeasurement CheckLabels(int labels, const ImageU8& rgb, const MeasureOptions& options) {
  const Prediction prediction = MakePrediction(labels, rgb.height(), rgb.width());
  const Problem problem{labels, rgb, prediction.energy};
  LabelMeasurement measured;
  measured.labels = labels;
  measured.mean_largest = prediction.mean_largest;
  measured.least_share = prediction.least_share;
  measured.most_share = prediction.most_share;

  Answer peer = EmptyAnswer(problem);
  const PlainCrf lattices = SolvePlainly(problem, peer.argmax);
  lattices.Marginals(peer.marginals);
  const Answer ours = OurAnswer(problem, options.Crf(1));
  measured.agreement = Compare(ours, peer);
  RequireGood(fmt::format("{} labels, ours against the peer", labels), measured.agreement);
  if (OurAnswer(problem, options.Crf(2)).marginals != ours.marginals)
    Fail("{} labels: two threads give other marginals than one", labels);

  measured.traffic = TrafficOf(labels, StorageOf(problem, ours, options), ours.splat_seconds == 0,
                               lattices, options.instruction_set);
  return measured;
}

void TimeLabels(const ImageU8& rgb, const MeasureOptions& options, LabelMeasurement& measured) {
  const Prediction prediction = MakePrediction(measured.labels, rgb.height(), rgb.width());
  const Problem problem{measured.labels, rgb, prediction.energy};
  measured.image = TimeImage(problem, options);
  measured.batch = TimeBatch(problem, measured.image.one_thread.Median(), options);
  const crf::DenseCrfTimes& phases = measured.image.phases;
  measured.traffic.iteration_seconds =
      (phases.splat + phases.blur + phases.update) / kSettings.iterations;
  measured.traffic.copy_at_working_set =
      CopyRate(static_cast<size_t>(measured.traffic.working_set / 2), options.copy_rounds);
}

LatticeSizes SizesOf(const ImageU8& rgb) {
  crf::DenseCrf crf;
  crf.Reset(1, rgb.height(), rgb.width());
  crf::AddTerms(crf, kSettings, rgb.values());
  const std::vector<int64_t> sizes = crf.lattice_sizes();
  const auto pixels = static_cast<double>(rgb.pixels());
  return {static_cast<double>(sizes[0]) / pixels, static_cast<double>(sizes[1]) / pixels};
}

double GaussianBuildSeconds(const ImageU8& rgb, const MeasureOptions& options) {
  Series series;
  for (int repetition = 0; repetition < options.repetitions; ++repetition) {
    crf::DenseCrf crf(options.Crf(1));
    crf.Reset(1, rgb.height(), rgb.width());
    crf.AddGaussian(kSettings.gaussian_sigma, kSettings.gaussian_sigma,
                    crf::Compatibility::Potts(kSettings.gaussian_weight));
    series.seconds.push_back(crf.times().build);
  }
  return series.Least();
}

double CopyRate(size_t bytes, int rounds) {
  std::vector<char> from(bytes, 1), to(bytes);
  // So many copies in one round that the clock does not matter.
  const int copies = static_cast<int>(std::max<size_t>(1, (size_t{64} << 20) / bytes));
  double least = Seconds([&] { std::memcpy(to.data(), from.data(), bytes); });
  for (int round = 0; round < rounds; ++round)
    least = std::min(least, Seconds([&] {
                              for (int i = 0; i < copies; ++i) {
                                std::memcpy(to.data(), from.data(), bytes);
                                // The copy counts although nobody reads it.
                                asm volatile("" : : "r"(to.data()) : "memory");
                              }
                            }) / copies);
  return 2.0 * static_cast<double>(bytes) / least;
}

}  // namespace i2crc::bench
