// SPDX-License-Identifier: Apache-2.0
#include "i2crc/train/logistic_regression.h"

#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "i2crc/core/error.h"

namespace i2crc {
namespace {

// Keeps a feature that is the same everywhere from being divided by 0.
constexpr double kLeastDeviation = 1e-3;

at::Tensor Loss(const at::Tensor& logits, const at::Tensor& present) {
  return at::binary_cross_entropy_with_logits(logits, present);
}

at::Tensor Logits(const LogisticRegression& layer, const at::Tensor& features) {
  return at::addmm(layer.bias, features, layer.weight.t());
}

}  // namespace

LogisticRegression FitLogisticRegression(const at::Tensor& features, const at::Tensor& present,
                                         double penalty) {
  ENSURE(features.size(0) >= 1 && features.size(0) == present.size(0), "{} samples, {} answers",
         features.size(0), present.size(0));
  const torch::AutoGradMode with_gradients(true);
  const at::Tensor x = features.detach().to(at::kDouble), y = present.detach().to(at::kDouble);
  const at::Tensor mean = x.mean(0);
  const at::Tensor deviation = x.std(0, /*unbiased=*/false) + kLeastDeviation;
  const at::Tensor standard = (x - mean) / deviation;
  const int64_t classes = y.size(1);
  at::Tensor weight = torch::zeros({classes, x.size(1)}, torch::kDouble).requires_grad_();
  at::Tensor bias = torch::zeros({classes}, torch::kDouble).requires_grad_();
  torch::optim::LBFGS optimiser(
      {weight, bias}, torch::optim::LBFGSOptions().max_iter(300).line_search_fn("strong_wolfe"));
  optimiser.step([&] {
    optimiser.zero_grad();
    at::Tensor loss = Loss(at::addmm(bias, standard, weight.t()), y) +
                      penalty / static_cast<double>(classes) * weight.square().sum();
    loss.backward();
    return loss;
  });
  const torch::NoGradGuard no_grad;
  const at::Tensor as_they_are = weight / deviation;
  return {as_they_are.to(at::kFloat).contiguous(),
          (bias - as_they_are.mv(mean)).to(at::kFloat).contiguous()};
}

CrossValidation ChoosePenalty(const at::Tensor& features, const at::Tensor& present,
                              const std::vector<int>& fold, const std::vector<double>& penalties) {
  const auto samples = static_cast<int64_t>(fold.size());
  ENSURE(samples == features.size(0) && samples >= 2 && !penalties.empty(), "{} folds of {}",
         samples, features.size(0));
  const int folds = 1 + *std::max_element(fold.begin(), fold.end());
  CrossValidation best;
  best.loss = std::numeric_limits<double>::infinity();
  at::Tensor best_logits;
  for (const double penalty : penalties) {
    at::Tensor logits = torch::zeros_like(present);
    for (int held_out = 0; held_out < folds; ++held_out) {
      std::vector<int64_t> seen, unseen;
      for (int64_t i = 0; i < samples; ++i)
        (fold[static_cast<size_t>(i)] == held_out ? unseen : seen).push_back(i);
      if (seen.empty() || unseen.empty()) continue;
      const at::Tensor learn = torch::tensor(seen), judge = torch::tensor(unseen);
      const LogisticRegression layer = FitLogisticRegression(
          features.index_select(0, learn), present.index_select(0, learn), penalty);
      logits.index_copy_(0, judge, Logits(layer, features.index_select(0, judge)));
    }
    const double loss = Loss(logits.to(at::kDouble), present.to(at::kDouble)).item<double>();
    if (loss >= best.loss) continue;
    best.loss = loss;
    best.penalty = penalty;
    best_logits = logits;
  }
  if (!best_logits.defined()) Fail("the features are not finite: nothing can be told from them");
  const at::Tensor frequency = present.to(at::kDouble).mean(0, /*keepdim=*/true);
  best.loss_of_frequencies =
      at::binary_cross_entropy(frequency.expand_as(present).contiguous(), present.to(at::kDouble))
          .item<double>();
  const at::Tensor by_class = best_logits.t().contiguous(), answers = present.t().contiguous();
  double sum = 0;
  int known = 0;
  for (int64_t k = 0; k < by_class.size(0); ++k) {
    const auto* scores = by_class[k].data_ptr<float>();
    const auto* truth = answers[k].data_ptr<float>();
    std::vector<bool> is_present(static_cast<size_t>(samples));
    std::transform(truth, truth + samples, is_present.begin(), [](float v) { return v > 0.5F; });
    best.precision.push_back(AveragePrecision({scores, scores + samples}, is_present));
    if (std::isnan(best.precision.back())) continue;
    sum += best.precision.back();
    ++known;
  }
  best.mean_precision = known > 0 ? sum / known : std::numeric_limits<double>::quiet_NaN();
  return best;
}

double AveragePrecision(const std::vector<double>& scores, const std::vector<bool>& present) {
  std::vector<size_t> order(scores.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return scores[a] > scores[b]; });
  double found = 0, sum = 0;
  for (size_t rank = 0; rank < order.size(); ++rank) {
    if (!present[order[rank]]) continue;
    ++found;
    sum += found / static_cast<double>(rank + 1);
  }
  return found > 0 ? sum / found : std::numeric_limits<double>::quiet_NaN();
}

}  // namespace i2crc
