// SPDX-License-Identifier: Apache-2.0
#include "i2crc/labels/source_agreement.h"

#include <algorithm>
#include <cmath>

#include "i2crc/core/error.h"
#include "i2crc/labels/label_rules.h"

namespace i2crc {
namespace {

constexpr int kLevels = ObjectBelief::kLevels;
constexpr int kSources = ObjectBelief::kSources;
constexpr size_t kCells = ObjectBelief::kCells;

using Levels = std::array<double, kLevels>;

// Of background (0) and object (1): how common it is, and what each source says of it.
struct Classes {
  std::array<double, 2> share{};
  std::array<std::array<Levels, kSources>, 2> says{};
};

// What a source says in a cell.
size_t LevelOf(size_t cell, size_t source) {
  constexpr std::array<size_t, kSources> kDivisor = {kLevels * kLevels, kLevels, 1};
  return cell / kDivisor[source] % kLevels;
}

// The mean of the sources, 0…1.
std::vector<double> MeanOfSources() {
  std::vector<double> mean(kCells, 0.0);
  for (size_t cell = 0; cell < kCells; ++cell)
    for (size_t source = 0; source < kSources; ++source)
      mean[cell] += static_cast<double>(LevelOf(cell, source)) / ((kLevels - 1) * kSources);
  return mean;
}

Classes Maximise(const std::vector<double>& shares, const std::vector<double>& belief) {
  // So that what was never seen is not impossible.
  constexpr double kLeast = 1e-6;
  Classes classes;
  for (auto& sources : classes.says)
    for (Levels& levels : sources) levels.fill(kLeast);
  for (size_t cell = 0; cell < kCells; ++cell)
    for (size_t is_object = 0; is_object < 2; ++is_object) {
      const double share = shares[cell] * (is_object == 1 ? belief[cell] : 1 - belief[cell]);
      classes.share[is_object] += share;
      for (size_t source = 0; source < kSources; ++source)
        classes.says[is_object][source][LevelOf(cell, source)] += share;
    }
  for (auto& sources : classes.says)
    for (Levels& levels : sources) {
      double sum = 0;
      for (const double value : levels) sum += value;
      for (double& value : levels) value /= sum;
    }
  return classes;
}

std::vector<double> Expect(const Classes& classes) {
  std::vector<double> belief(kCells);
  for (size_t cell = 0; cell < kCells; ++cell) {
    std::array<double, 2> likely = classes.share;
    for (size_t is_object = 0; is_object < 2; ++is_object)
      for (size_t source = 0; source < kSources; ++source)
        likely[is_object] *= classes.says[is_object][source][LevelOf(cell, source)];
    belief[cell] = likely[1] / std::max(likely[0] + likely[1], 1e-300);
  }
  return belief;
}

}  // namespace

ObjectBelief::ObjectBelief(std::vector<double> probability) : probability_(std::move(probability)) {
  ENSURE(probability_.size() == kCells, "{} cells", probability_.size());
}

double ObjectBelief::ExpectedIou(const ImageU8& mask, const ObjectSources& sources) const {
  ENSURE(mask.SameSize(sources.saliency), "a mask of another size");
  double both = 0, either = 0;
  for (size_t p = 0; p < mask.pixels(); ++p) {
    const double object = Of(
        Cell(sources.saliency.data()[p], sources.network.data()[p], sources.attention.data()[p]));
    const uint8_t label = mask.data()[p];
    if (label == kIgnoreLabel) {
      both += object / 2;
      either += (1 + object) / 2;
    } else if (label != 0) {
      both += object;
      either += 1;
    } else {
      either += object;
    }
  }
  return either > 0 ? both / either : 1;
}

void SourceAgreement::Add(const ObjectSources& sources) {
  const ImageU8& saliency = sources.saliency;
  if (!saliency.SameSize(sources.network) || !saliency.SameSize(sources.attention))
    Fail("saliency, network and attention have other sizes");
  const double one = 1 / static_cast<double>(saliency.pixels());
  for (size_t p = 0; p < saliency.pixels(); ++p)
    shares_[static_cast<size_t>(ObjectBelief::Cell(saliency.data()[p], sources.network.data()[p],
                                                   sources.attention.data()[p]))] += one;
}

ObjectBelief SourceAgreement::Fit() const {
  constexpr int kMostSteps = 1000;
  constexpr double kStill = 1e-9;
  std::vector<double> belief = MeanOfSources();
  for (int step = 0; step < kMostSteps; ++step) {
    std::vector<double> next = Expect(Maximise(shares_, belief));
    double change = 0;
    for (size_t cell = 0; cell < kCells; ++cell)
      if (shares_[cell] > 0) change = std::max(change, std::abs(next[cell] - belief[cell]));
    belief = std::move(next);
    if (change < kStill) break;
  }
  return ObjectBelief(std::move(belief));
}

}  // namespace i2crc
