// SPDX-License-Identifier: Apache-2.0
#include "i2crc/metrics/confusion.h"

#include <algorithm>

#include "i2crc/core/error.h"

namespace i2crc {
namespace {

void CheckShape(const ImageU8& prediction, const ImageU8& truth, const char* what) {
  if (prediction.channels() != 1 || truth.channels() != 1)
    Fail("the {} and the truth must have one channel", what);
  if (!prediction.SameSize(truth))
    Fail("the {} has {}x{} pixels, the truth {}x{}", what, prediction.width(), prediction.height(),
         truth.width(), truth.height());
}

void CheckValues(const ImageU8& mask, int labels, const char* what) {
  // Looked at as a whole first, which is SIMD; the culprit is searched only where there is one.
  const auto is_bad = [labels](uint8_t v) { return v >= labels && v != kIgnoreLabel; };
  bool bad = false;
  for (uint8_t v : mask.values()) bad |= is_bad(v);
  if (!bad) return;
  const auto found = std::find_if(mask.values().begin(), mask.values().end(), is_bad);
  const auto at = static_cast<size_t>(found - mask.values().begin());
  const auto width = static_cast<size_t>(mask.width());
  Fail("the {} has the value {} at column {}, row {}, but {} classes allow 0 to {} and 255", what,
       *found, at % width, at / width, labels - 1, labels - 1);
}

double Share(uint64_t part, uint64_t whole) {
  return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

Confusion::Confusion(int classes) : labels_(classes + 1) {
  ENSURE(classes >= 1 && classes <= kMaxClasses, "{} classes", classes);
  counts_.assign(static_cast<size_t>(labels_) * static_cast<size_t>(labels_ + 1), 0);
}

size_t Confusion::Index(int truth, int prediction) const {
  const int column = prediction == kIgnoreLabel ? labels_ : prediction;
  return static_cast<size_t>(truth) * static_cast<size_t>(labels_ + 1) +
         static_cast<size_t>(column);
}

void Confusion::Add(const ImageU8& prediction, const ImageU8& truth) {
  CheckShape(prediction, truth, "prediction");
  CheckValues(prediction, labels_, "prediction");
  CheckValues(truth, labels_, "truth");
  for (size_t i = 0; i < truth.pixels(); ++i)
    if (truth.data()[i] != kIgnoreLabel) ++counts_[Index(truth.data()[i], prediction.data()[i])];
}

void Confusion::AddCount(int truth, int prediction, uint64_t pixels) {
  ENSURE(truth >= 0 && truth < labels_, "truth {}", truth);
  ENSURE(prediction >= 0 && (prediction < labels_ || prediction == kIgnoreLabel), "prediction {}",
         prediction);
  counts_[Index(truth, prediction)] += pixels;
}

void Confusion::Merge(const Confusion& other) {
  ENSURE(labels_ == other.labels_, "{} and {} labels", labels_, other.labels_);
  for (size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
}

uint64_t Confusion::count(int truth, int prediction) const {
  ENSURE(truth >= 0 && truth < labels_ && prediction >= 0 && prediction < labels_, "({}, {})",
         truth, prediction);
  return counts_[Index(truth, prediction)];
}

uint64_t Confusion::ignored(int truth) const {
  ENSURE(truth >= 0 && truth < labels_, "truth {}", truth);
  return counts_[Index(truth, kIgnoreLabel)];
}

uint64_t Confusion::truth_pixels(int truth) const {
  uint64_t sum = ignored(truth);
  for (int prediction = 0; prediction < labels_; ++prediction) sum += count(truth, prediction);
  return sum;
}

uint64_t Confusion::pixels() const {
  uint64_t sum = 0;
  for (uint64_t count : counts_) sum += count;
  return sum;
}

std::optional<double> Confusion::Iou(int label, Ignored ignored_as) const {
  const bool left_out = ignored_as == Ignored::kLeftOut;
  const uint64_t in_truth = truth_pixels(label) - (left_out ? ignored(label) : 0);
  if (in_truth == 0) return std::nullopt;
  uint64_t hits = count(label, label);
  uint64_t predicted = 0;
  for (int truth = 0; truth < labels_; ++truth) predicted += count(truth, label);
  if (!left_out && label == 0) {
    hits += ignored(0);
    for (int truth = 0; truth < labels_; ++truth) predicted += ignored(truth);
  }
  return Share(hits, in_truth + predicted - hits);
}

double Confusion::MeanIou(Ignored ignored_as) const {
  double sum = 0;
  int there = 0;
  for (int label = 0; label < labels_; ++label) {
    const std::optional<double> iou = Iou(label, ignored_as);
    sum += iou.value_or(0.0);
    there += iou.has_value() ? 1 : 0;
  }
  return there == 0 ? 0.0 : sum / there;
}

double Confusion::PixelAccuracy(Ignored ignored_as) const {
  uint64_t hits = ignored_as == Ignored::kAsBackground ? ignored(0) : 0;
  uint64_t whole = pixels();
  for (int label = 0; label < labels_; ++label) {
    hits += count(label, label);
    if (ignored_as == Ignored::kLeftOut) whole -= ignored(label);
  }
  return Share(hits, whole);
}

double Confusion::IgnoredShare() const {
  uint64_t sum = 0;
  for (int truth = 0; truth < labels_; ++truth) sum += ignored(truth);
  return Share(sum, pixels());
}

ThresholdCurve::ThresholdCurve(int classes) : labels_(classes + 1) {
  ENSURE(classes >= 1 && classes <= kMaxClasses, "{} classes", classes);
  counts_.resize(static_cast<size_t>(labels_) * static_cast<size_t>(labels_));
}

void ThresholdCurve::Add(const ImageU8& best_value, const ImageU8& best_label,
                         const ImageU8& truth) {
  CheckShape(best_value, truth, "attention map");
  CheckShape(best_label, truth, "attention map");
  CheckValues(truth, labels_, "truth");
  const size_t labels = static_cast<size_t>(labels_);
  for (uint8_t label : best_label.values()) ENSURE(label < labels_, "attention label {}", label);
  for (size_t i = 0; i < truth.pixels(); ++i) {
    const size_t true_label = truth.data()[i];
    if (true_label == kIgnoreLabel) continue;
    std::vector<uint64_t>& values = counts_[true_label * labels + best_label.data()[i]];
    if (values.empty()) values.resize(256);
    ++values[best_value.data()[i]];
  }
}

void ThresholdCurve::Merge(const ThresholdCurve& other) {
  ENSURE(labels_ == other.labels_, "{} and {} labels", labels_, other.labels_);
  for (size_t pair = 0; pair < counts_.size(); ++pair) {
    if (other.counts_[pair].empty()) continue;
    counts_[pair].resize(256);
    for (size_t value = 0; value < 256; ++value) counts_[pair][value] += other.counts_[pair][value];
  }
}

Confusion ThresholdCurve::At(int step) const {
  ENSURE(step >= 1 && step <= kSteps, "step {}", step);
  Confusion confusion(labels_ - 1);
  for (size_t pair = 0; pair < counts_.size(); ++pair) {
    const int truth = static_cast<int>(pair) / labels_;
    const int label = static_cast<int>(pair) % labels_;
    for (size_t value = 0; value < counts_[pair].size(); ++value) {
      const bool above = static_cast<int>(value) * 100 > step * 255;
      confusion.AddCount(truth, above ? label : 0, counts_[pair][value]);
    }
  }
  return confusion;
}

int ThresholdCurve::best_step() const {
  int best = 1;
  double best_iou = -1;
  for (int step = 1; step <= kSteps; ++step) {
    const double mean_iou = At(step).MeanIou();
    if (mean_iou > best_iou) {
      best = step;
      best_iou = mean_iou;
    }
  }
  return best;
}

ThresholdCurve::Best ThresholdCurve::best() const {
  const int step = best_step();
  return {step / 100.0, At(step).MeanIou()};
}

void CombineAttention(std::span<const ImageU8> maps, std::span<const int> tags, ImageU8& best_value,
                      ImageU8& best_label) {
  ENSURE(maps.size() == tags.size(), "{} maps of {} tags", maps.size(), tags.size());
  if (maps.empty()) {
    best_value = best_label = ImageU8(best_value.height(), best_value.width(), 1);
    return;
  }
  for (size_t k = 0; k < maps.size(); ++k) {
    ENSURE(tags[k] >= 0 && tags[k] < kMaxClasses && (k == 0 || tags[k - 1] < tags[k]), "tag {}",
           tags[k]);
    if (maps[k].channels() != 1 || !maps[k].SameSize(maps[0]))
      Fail("the attention map of tag {} has {}x{} pixels, that of tag {} {}x{}", tags[k],
           maps[k].width(), maps[k].height(), tags[0], maps[0].width(), maps[0].height());
  }
  best_value = maps[0];
  best_label = ImageU8(maps[0].height(), maps[0].width(), 1, static_cast<uint8_t>(tags[0] + 1));
  for (size_t k = 1; k < maps.size(); ++k) {
    const auto label = static_cast<uint8_t>(tags[k] + 1);
    for (size_t i = 0; i < best_value.pixels(); ++i) {
      const uint8_t value = maps[k].data()[i];
      best_label.data()[i] = value > best_value.data()[i] ? label : best_label.data()[i];
      best_value.data()[i] = std::max(value, best_value.data()[i]);
    }
  }
}

}  // namespace i2crc
