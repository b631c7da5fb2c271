// SPDX-License-Identifier: Apache-2.0
#include "i2crc/crf/exact_crf.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>
#include <utility>

namespace i2crc::crf {
namespace {

constexpr double kTiny = 1e-20;  // ALGORITHM.md: beside Z, and below a logarithm
// exp(−½·1492) is below the smallest double: such pairs add exactly 0.
constexpr double kLargestSquare = 1492;

void RequireSize(size_t given, size_t expected, const char* name) {
  if (given != expected)
    throw std::invalid_argument(std::string(name) + ": " + std::to_string(given) +
                                " values instead of " + std::to_string(expected));
}

void RequireFinite(const std::vector<double>& values, const char* name) {
  if (!std::ranges::all_of(values, [](double value) { return std::isfinite(value); }))
    throw std::invalid_argument(std::string(name) + ": a value is not finite");
}

void RequireSigma(double sigma) {
  if (!std::isfinite(sigma) || sigma <= 0)
    throw std::invalid_argument("sigma: " + std::to_string(sigma) + " is not above 0");
}

// The points above `point` with a kernel value that is not 0, and these values.
void KernelRow(const std::vector<double>& features, size_t dims, size_t points, size_t point,
               std::vector<std::pair<size_t, double>>& row) {
  row.clear();
  for (size_t other = point + 1; other < points; ++other) {
    double square = 0;
    for (size_t i = 0; i < dims; ++i) {
      const double difference = features[i * points + point] - features[i * points + other];
      square += difference * difference;
    }
    if (square < kLargestSquare) row.emplace_back(other, std::exp(-0.5 * square));
  }
}

std::vector<double> SumOverPairs(const std::vector<double>& features, size_t dims,
                                 const std::vector<double>& values, size_t rows) {
  const size_t points = features.size() / dims;
  std::vector<double> sums = values;  // exp(0) = 1: every point's own term
  std::vector<std::pair<size_t, double>> kernel;
  for (size_t point = 0; point < points; ++point) {
    KernelRow(features, dims, points, point, kernel);
    for (size_t row = 0; row < rows; ++row) {
      const double* from = &values[row * points];
      double* to = &sums[row * points];
      double sum = 0;
      for (const auto& [other, weight] : kernel) {
        sum += weight * from[other];
        to[other] += weight * from[point];
      }
      to[point] += sum;
    }
  }
  return sums;
}

// values[row, point] · scale[point]
std::vector<double> Scaled(std::vector<double> values, const std::vector<double>& scale) {
  for (size_t i = 0; i < values.size(); ++i) values[i] *= scale[i % scale.size()];
  return values;
}

}  // namespace

ExactCrf::Filter ExactFilter(const std::vector<double>& features, int dims) {
  if (dims < 1 || features.empty() || features.size() % static_cast<size_t>(dims) != 0)
    throw std::invalid_argument("features: " + std::to_string(features.size()) + " values in " +
                                std::to_string(dims) + " rows");
  RequireFinite(features, "features");
  return [features, dims](const std::vector<double>& values, int rows) {
    const auto d = static_cast<size_t>(dims);
    const auto row_count = static_cast<size_t>(std::max(rows, 0));
    RequireSize(values.size(), features.size() / d * row_count, "values");
    return SumOverPairs(features, d, values, row_count);
  };
}

ExactCrf::ExactCrf(int labels, int64_t points, std::vector<double> unary)
    : labels_(static_cast<size_t>(labels)),
      points_(static_cast<size_t>(points)),
      unary_(std::move(unary)) {
  if (labels < 1) throw std::invalid_argument("labels: " + std::to_string(labels));
  if (points < 1) throw std::invalid_argument("points: " + std::to_string(points));
  RequireSize(unary_.size(), labels_ * points_, "unary");
  RequireFinite(unary_, "unary");
}

void ExactCrf::AddTerm(const std::vector<double>& features, int dims,
                       const std::vector<double>& compatibility, Normalization normalization) {
  if (dims < 1) throw std::invalid_argument("dims: " + std::to_string(dims));
  RequireSize(features.size(), static_cast<size_t>(dims) * points_, "features");
  AddTerm(ExactFilter(features, dims), compatibility, normalization);
}

void ExactCrf::AddTerm(Filter filter, const std::vector<double>& compatibility,
                       Normalization normalization) {
  RequireSize(compatibility.size(), labels_ * labels_, "compatibility");
  RequireFinite(compatibility, "compatibility");
  Term term{std::move(filter), compatibility, std::vector<double>(points_, 1.0),
            std::vector<double>(points_, 1.0)};
  for (size_t i = 0; i < labels_; ++i)
    for (size_t j = 0; j < labels_; ++j)
      term.compatibility[i * labels_ + j] =
          0.5 * (compatibility[i * labels_ + j] + compatibility[j * labels_ + i]);
  if (normalization != Normalization::kNone) {
    const std::vector<double> sums = term.filter(std::vector<double>(points_, 1.0), 1);
    for (size_t p = 0; p < points_; ++p) {
      const double mass = sums[p] + kTiny;
      if (normalization == Normalization::kBefore) term.scale_before[p] = 1 / mass;
      if (normalization == Normalization::kAfter) term.scale_after[p] = 1 / mass;
      if (normalization == Normalization::kSymmetric)
        term.scale_before[p] = term.scale_after[p] = 1 / std::sqrt(mass);
    }
  }
  terms_.push_back(std::move(term));
}

std::vector<double> ExactCrf::PairwiseEnergy(const std::vector<double>& marginals) const {
  std::vector<double> energy(unary_.size(), 0.0);
  for (const Term& term : terms_) {
    const std::vector<double> filtered =
        Scaled(term.filter(Scaled(marginals, term.scale_before), static_cast<int>(labels_)),
               term.scale_after);
    for (size_t label = 0; label < labels_; ++label)
      for (size_t other = 0; other < labels_; ++other) {
        const double factor = term.compatibility[label * labels_ + other];
        if (factor == 0) continue;
        for (size_t p = 0; p < points_; ++p)
          energy[label * points_ + p] += factor * filtered[other * points_ + p];
      }
  }
  return energy;
}

std::vector<double> ExactCrf::Softmax(const std::vector<double>& energy) const {
  std::vector<double> marginals(energy.size());
  for (size_t p = 0; p < points_; ++p) {
    double least = energy[p];
    for (size_t label = 1; label < labels_; ++label)
      least = std::min(least, energy[label * points_ + p]);
    double sum = 0;
    for (size_t at = p; at < energy.size(); at += points_)
      sum += marginals[at] = std::exp(least - energy[at]);
    for (size_t at = p; at < energy.size(); at += points_) marginals[at] /= sum;
  }
  return marginals;
}

double ExactCrf::Divergence(const std::vector<double>& marginals,
                            const std::vector<double>& pairwise) const {
  double divergence = 0;
  for (size_t i = 0; i < marginals.size(); ++i)
    divergence +=
        marginals[i] * (std::log(std::max(marginals[i], kTiny)) + unary_[i] + pairwise[i]);
  return divergence;
}

std::vector<double> ExactCrf::Infer(int iterations, std::vector<double>* divergence) const {
  if (iterations < 0) throw std::invalid_argument("iterations: " + std::to_string(iterations));
  if (divergence != nullptr) divergence->clear();
  std::vector<double> marginals = Softmax(unary_);
  for (int iteration = 0; iteration < iterations; ++iteration) {
    std::vector<double> energy = PairwiseEnergy(marginals);
    if (divergence != nullptr) divergence->push_back(Divergence(marginals, energy));
    for (size_t i = 0; i < energy.size(); ++i) energy[i] += unary_[i];
    marginals = Softmax(energy);
  }
  if (divergence != nullptr)
    divergence->push_back(Divergence(marginals, PairwiseEnergy(marginals)));
  return marginals;
}

std::vector<double> PottsMatrix(int labels, double weight) {
  if (labels < 1) throw std::invalid_argument("labels: " + std::to_string(labels));
  return DiagonalMatrix(std::vector<double>(static_cast<size_t>(labels), -weight));
}

std::vector<double> DiagonalMatrix(std::span<const double> diagonal) {
  std::vector<double> matrix(diagonal.size() * diagonal.size(), 0.0);
  for (size_t i = 0; i < diagonal.size(); ++i) matrix[i * diagonal.size() + i] = diagonal[i];
  return matrix;
}

std::vector<double> PositionFeatures(int height, int width, double sigma_x, double sigma_y) {
  if (height < 1) throw std::invalid_argument("height: " + std::to_string(height));
  if (width < 1) throw std::invalid_argument("width: " + std::to_string(width));
  RequireSigma(sigma_x);
  RequireSigma(sigma_y);
  const auto w = static_cast<size_t>(width);
  const size_t points = static_cast<size_t>(height) * w;
  std::vector<double> features(2 * points);
  for (size_t p = 0; p < points; ++p) {
    features[p] = static_cast<double>(p % w) / sigma_x;
    features[points + p] = static_cast<double>(p / w) / sigma_y;
  }
  return features;
}

std::vector<double> BilateralFeatures(int height, int width, double sigma_x, double sigma_y,
                                      const std::array<double, 3>& sigma_rgb,
                                      std::span<const uint8_t> rgb) {
  std::vector<double> features = PositionFeatures(height, width, sigma_x, sigma_y);
  const size_t points = features.size() / 2;
  RequireSize(rgb.size(), 3 * points, "rgb");
  features.resize(5 * points);
  for (size_t channel = 0; channel < 3; ++channel) {
    RequireSigma(sigma_rgb[channel]);
    for (size_t p = 0; p < points; ++p)
      features[(2 + channel) * points + p] = rgb[3 * p + channel] / sigma_rgb[channel];
  }
  return features;
}

}  // namespace i2crc::crf
