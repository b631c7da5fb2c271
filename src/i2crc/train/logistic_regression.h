// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace i2crc {

// A linear layer that tells classes from features: the probability of class k is
// sigmoid(weight[k] · x + bias[k]).
struct LogisticRegression {
  at::Tensor weight;  // f32 [K, D]
  at::Tensor bias;    // f32 [K]
};

// Minimises the mean binary cross-entropy over samples and classes plus penalty · |weight|² / K, of
// features standardised to mean 0 and deviation 1; the layer that is returned takes them as they
// are. L-BFGS in double precision from 0, so that nothing is drawn.
//
// features: f32 [N, D], N ≥ 1; present: f32 [N, K] of 0 and 1; penalty: > 0.
LogisticRegression FitLogisticRegression(const at::Tensor& features, const at::Tensor& present,
                                         double penalty);

// How well a fit tells the samples that it has not seen.
struct CrossValidation {
  double penalty = 0;              // the best of those tried, by its loss
  double loss = 0;                 // mean binary cross-entropy of unseen samples
  double loss_of_frequencies = 0;  // of answering with each class's frequency
  std::vector<double> precision;   // [K]: average precision; NaN for a class never present
  double mean_precision = 0;       // over the classes that are present somewhere
};

// Fits on all but one fold, and judges that fold, for every fold and penalty. fold: of each sample,
// 0 … folds − 1.
CrossValidation ChoosePenalty(const at::Tensor& features, const at::Tensor& present,
                              const std::vector<int>& fold, const std::vector<double>& penalties);

// Area under the precision-recall curve, as a mean of the precisions at every positive sample; NaN
// without one. scores, present: [N].
double AveragePrecision(const std::vector<double>& scores, const std::vector<bool>& present);

}  // namespace i2crc
