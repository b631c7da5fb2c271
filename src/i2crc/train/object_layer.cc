// SPDX-License-Identifier: Apache-2.0
#include "i2crc/train/object_layer.h"

#include <torch/torch.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "i2crc/core/error.h"

namespace i2crc {
namespace {

constexpr int64_t kComponents = 256;
constexpr double kRidge = 0.1;
constexpr int kMostRounds = 30;
constexpr double kFewChanges = 5e-4;
// Keeps a feature that is the same everywhere from being divided by 0.
constexpr double kLeastDeviation = 1e-3;
constexpr std::array kShares = {0.02, 0.03, 0.045, 0.065, 0.1,  0.15, 0.2,
                                0.25, 0.3,  0.35,  0.4,   0.45, 0.5};
constexpr double kNearTheBest = 0.9;
// Rows that are worked on at once.
constexpr int64_t kRows = 8192;

template <typename Work>
void ForRows(int64_t rows, const Work& work) {
  for (int64_t from = 0; from < rows; from += kRows) work(from, std::min(kRows, rows - from));
}

at::Tensor Doubles(int64_t rows, int64_t columns) {
  return torch::zeros({rows, columns}, torch::kDouble);
}

// Xᵀ X, where part(from, rows) are some rows of X.
template <typename Part>
at::Tensor GramOf(int64_t rows, int64_t columns, const Part& part) {
  at::Tensor gram = Doubles(columns, columns);
  ForRows(rows, [&](int64_t from, int64_t count) {
    const at::Tensor x = part(from, count);
    gram += at::matmul(x.t(), x).to(at::kDouble);
  });
  return gram;
}

// Xᵀ y
at::Tensor Project(const at::Tensor& x, const at::Tensor& y) {
  at::Tensor sum = torch::zeros({x.size(1)}, torch::kDouble);
  ForRows(x.size(0), [&](int64_t from, int64_t rows) {
    sum += at::mv(x.narrow(0, from, rows).t(), y.narrow(0, from, rows)).to(at::kDouble);
  });
  return sum;
}

// The bias, in the last place, goes without a ridge.
at::Tensor RidgeInverse(const at::Tensor& gram, double pixels) {
  at::Tensor ridge = torch::full({gram.size(0)}, kRidge, torch::kDouble);
  ridge[-1] = 0;
  return torch::linalg::inv(gram / pixels + at::diag(ridge));
}

int64_t CountOf(double share, int64_t pixels) {
  return std::clamp<int64_t>(std::llround(share * static_cast<double>(pixels)), 1, pixels);
}

double Told(const ObjectLearner::Explained& explained) {
  return std::max(explained.object, 0.0) * explained.name;
}

}  // namespace

float ObjectLayer::Degree(float score) const {
  const float half = score < edge ? (score - background) / (edge - background)
                                  : 1 + (score - edge) / (object - edge);
  return std::clamp(half / 2, 0.0F, 1.0F);
}

ObjectLearner::ObjectLearner(const FeaturePixels& pixels)
    : begin_(pixels.begin), tagged_(pixels.tagged), attention_(pixels.attention), tag_(pixels.tag) {
  const int64_t count = pixels.features.size(0), channels = pixels.features.size(1);
  ENSURE(begin_.size() == tagged_.size() + 1 && begin_.back() == count &&
             pixels.fold.size() == tagged_.size(),
         "{} pixels of {} images", count, tagged_.size());
  std::vector<int64_t> tagged, folds(static_cast<size_t>(count));
  for (size_t i = 0; i < tagged_.size(); ++i)
    for (int64_t p = begin_[i]; p < begin_[i + 1]; ++p) {
      if (tagged_[i]) tagged.push_back(p);
      folds[static_cast<size_t>(p)] = pixels.fold[i];
    }
  if (tagged.empty()) Fail("no image has a tag: there is nothing to look for");
  if (!(attention_.max().item<float>() > 0))
    Fail("the attention maps are all blank: there is nothing to begin with");
  tagged_pixels_ = torch::tensor(tagged);
  fold_ = torch::tensor(folds);

  at::Tensor sum = torch::zeros({channels}, torch::kDouble), squares = sum.clone();
  ForRows(count, [&](int64_t from, int64_t rows) {
    const at::Tensor part = pixels.features.narrow(0, from, rows).to(at::kDouble);
    sum += part.sum(0);
    squares += part.square().sum(0);
  });
  const at::Tensor mean = sum / static_cast<double>(count);
  const at::Tensor variance = squares / static_cast<double>(count) - mean.square();
  mean_ = mean.to(at::kFloat);
  deviation_ = (variance.clamp_min(0).sqrt() + kLeastDeviation).to(at::kFloat);
  const auto standard = [&](int64_t from, int64_t rows) {
    return (pixels.features.narrow(0, from, rows).to(at::kFloat) - mean_) / deviation_;
  };
  const at::Tensor covariance = GramOf(count, channels, standard);
  const auto [values, vectors] = torch::linalg::eigh(covariance / static_cast<double>(count), "L");
  const int64_t kept = std::min(kComponents, channels);
  basis_ = vectors.narrow(1, channels - kept, kept).to(at::kFloat).contiguous();
  inputs_ = torch::ones({count, kept + 1});
  ForRows(count, [&](int64_t from, int64_t rows) {
    inputs_.narrow(0, from, rows)
        .narrow(1, 0, kept)
        .copy_(at::matmul(standard(from, rows), basis_));
  });

  const int fold_count = 1 + *std::max_element(pixels.fold.begin(), pixels.fold.end());
  at::Tensor gram = Doubles(kept + 1, kept + 1);
  for (int fold = 0; fold < fold_count; ++fold) {
    const at::Tensor mine = inputs_.index_select(0, at::nonzero(fold_ == fold).squeeze(1));
    fold_grams_.push_back(GramOf(mine.size(0), kept + 1, [&](int64_t from, int64_t rows) {
      return mine.narrow(0, from, rows);
    }));
    gram += fold_grams_.back();
  }
  inverse_ = RidgeInverse(gram, static_cast<double>(count));
  for (const at::Tensor& of_fold : fold_grams_) {
    const at::Tensor rest = gram - of_fold;
    inverse_without_.push_back(RidgeInverse(rest, std::max(1.0, rest[-1][-1].item<double>())));
  }
}

// The highest scores of all tagged images; returns the score between them and the rest.
float ObjectLearner::TakeFreely(const at::Tensor& score, double share, at::Tensor& object) const {
  const auto [sorted, order] =
      at::sort(score.index_select(0, tagged_pixels_), 0, /*descending=*/true);
  const int64_t pixels = sorted.size(0), taken = CountOf(share, pixels);
  const float lowest = sorted[taken - 1].item<float>();
  const float edge = (lowest + sorted[std::min(taken, pixels - 1)].item<float>()) / 2;
  object.zero_();
  object.index_fill_(0, tagged_pixels_.index_select(0, order.narrow(0, 0, taken)), 1);
  return edge;
}

void ObjectLearner::TakeEvenly(const at::Tensor& score, double share, at::Tensor& object) const {
  object.zero_();
  for (size_t i = 0; i < tagged_.size(); ++i) {
    const int64_t pixels = begin_[i + 1] - begin_[i];
    if (!tagged_[i] || pixels == 0) continue;
    const at::Tensor highest =
        std::get<1>(score.narrow(0, begin_[i], pixels).topk(CountOf(share, pixels)));
    object.narrow(0, begin_[i], pixels).index_fill_(0, highest, 1);
  }
}

ObjectLearner::Growth ObjectLearner::Grow(double share, Spread spread) const {
  ENSURE(share > 0 && share < 1, "a share of {}", share);
  const int64_t count = inputs_.size(0);
  Growth growth;
  growth.object = attention_.to(at::kFloat).clone();
  for (int round = 0; round < kMostRounds; ++round) {
    growth.weight = at::mv(inverse_, Project(inputs_, growth.object) / static_cast<double>(count));
    growth.score = at::mv(inputs_, growth.weight.to(at::kFloat));
    at::Tensor object = torch::zeros({count});
    if (spread == Spread::kFree)
      growth.edge = TakeFreely(growth.score, share, object);
    else
      TakeEvenly(growth.score, share, object);
    const double changed = (object != growth.object).to(at::kDouble).mean().item<double>();
    growth.object = object;
    if (changed < kFewChanges) break;
  }
  return growth;
}

ObjectLayer ObjectLearner::Fit(double share) const {
  const Growth growth = Grow(share, Spread::kFree);
  const int64_t kept = basis_.size(1);
  const at::Tensor weight = at::mv(basis_, growth.weight.narrow(0, 0, kept).to(at::kFloat));
  ObjectLayer layer;
  layer.weight = (weight / deviation_).contiguous();
  layer.bias = growth.weight[kept].item<float>() - layer.weight.dot(mean_).item<float>();
  const auto mean_score = [&](const at::Tensor& of) {
    return ((growth.score * of).sum() / of.sum()).item<float>();
  };
  // An edge may lie on either mean where nothing stands out.
  constexpr float kLeast = 1e-6F;
  layer.edge = growth.edge;
  layer.object = std::max(mean_score(growth.object), layer.edge + kLeast);
  layer.background = std::min(mean_score(1 - growth.object), layer.edge - kLeast);
  return layer;
}

ObjectLearner::Explained ObjectLearner::Judge(double share, Spread spread) const {
  const Growth growth = Grow(share, spread);
  const int64_t size = inputs_.size(1), classes = tag_.max().item<int64_t>() + 1;
  const auto all = static_cast<double>(inputs_.size(0));
  // Of each fold the sum of the inputs of each class's objects, in the last column of all objects';
  // the last row, where inputs are 1, has their number.
  std::vector<at::Tensor> sums;
  at::Tensor sum = Doubles(size, classes + 1);
  for (size_t fold = 0; fold < fold_grams_.size(); ++fold) {
    const at::Tensor mine =
        at::nonzero((growth.object > 0) & (fold_ == static_cast<int64_t>(fold))).squeeze(1);
    at::Tensor by_class = torch::zeros({classes, size});
    by_class.index_add_(0, tag_.index_select(0, mine), inputs_.index_select(0, mine));
    const at::Tensor named = by_class.t().to(at::kDouble);
    sums.push_back(at::cat({named, named.sum(1, /*keepdim=*/true)}, 1));
    sum += sums.back();
  }
  // Squared, on the fold that was not learned from.
  at::Tensor errors = torch::zeros({classes + 1}, torch::kDouble);
  for (size_t fold = 0; fold < fold_grams_.size(); ++fold) {
    const double rest = all - fold_grams_[fold][-1][-1].item<double>();
    if (rest < 1) continue;
    const at::Tensor weight = at::matmul(inverse_without_[fold], (sum - sums[fold]) / rest);
    errors += sums[fold][-1] - 2 * (weight * sums[fold]).sum(0) +
              (weight * at::matmul(fold_grams_[fold], weight)).sum(0);
  }
  const at::Tensor frequency = sum[-1] / all;
  const at::Tensor variances = all * frequency * (1 - frequency);
  const auto explained = [&](const at::Tensor& error, const at::Tensor& variance) {
    const double of = variance.sum().item<double>();
    return of > 0 ? 1 - error.sum().item<double>() / of : 0;
  };
  return {.object = explained(errors[-1], variances[-1]),
          .name = explained(errors.narrow(0, 0, classes), variances.narrow(0, 0, classes))};
}

ShareChoice ChooseObjectShare(const ObjectLearner& learner, const std::function<void()>& judged) {
  using Spread = ObjectLearner::Spread;
  ShareChoice choice;
  double best_even = -std::numeric_limits<double>::infinity(), best = best_even;
  for (const double share : kShares) {
    choice.judged.push_back({share, learner.Judge(share, Spread::kEven), std::nullopt});
    best_even = std::max(best_even, Told(choice.judged.back().even));
    judged();
  }
  for (JudgedShare& share : choice.judged) {
    if (Told(share.even) < best_even - (1 - kNearTheBest) * std::abs(best_even)) continue;
    share.free = learner.Judge(share.share, Spread::kFree);
    if (Told(*share.free) <= best) continue;
    best = Told(*share.free);
    choice.share = share.share;
  }
  return choice;
}

}  // namespace i2crc
