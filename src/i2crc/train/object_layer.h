// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

namespace i2crc {

// What the objects of a data set's tags have in common, learned from attention alone: attention
// lights up the part by which a network tells a tag, mostly a head. A linear function of a frozen
// network's features, that is made to follow attention over all photographs at once, gives like
// pixels like values, and a body is more like a head than like the meadow behind it. (Own work;
// that objects and background are two clusters of ImageNet's features is C²AM's observation, Xie et
// al., CVPR 2022.)

// Pixels of feature maps, those of an image one after the other.
struct FeaturePixels {
  at::Tensor features;         // f32 or f16 [pixels, D]
  at::Tensor attention;        // f32 [pixels], 0 … 1: the highest of the image's tags
  at::Tensor tag;              // i64 [pixels], 0 … classes − 1: the tag that has it
  std::vector<int64_t> begin;  // [images + 1]: image i has the pixels begin[i] … begin[i + 1] − 1
  std::vector<bool> tagged;    // [images]; those without tags are background as a whole
  std::vector<int> fold;  // [images], 0 … folds − 1: for judging on images not learned from
};

// A pixel with the features x is an object's as far as its score weight · x + bias is high.
struct ObjectLayer {
  at::Tensor weight;  // f32 [D]
  float bias = 0;
  // Mean score of background, score at which objects begin, mean score of objects: rising.
  float background = 0, edge = 0, object = 0;

  // 0 … 1: 0 at the mean of background, 0.5 at the edge, 1 at the mean of objects, linear between.
  float Degree(float score) const;
};

class ObjectLearner {
 public:
  // Standardises the features and keeps their leading 256 principal components. Throws Error where
  // no tagged image has attention.
  explicit ObjectLearner(const FeaturePixels& pixels);

  // Fits scores to the attention, takes the highest of them for objects, the rest for background,
  // fits to that, and so on until hardly any pixel changes sides. share: of all pixels of tagged
  // images that are objects', over 0 and under 1.
  ObjectLayer Fit(double share) const;

  // How a share is dealt out: among all pixels, or the same to every image.
  enum class Spread { kFree, kEven };
  // What the features explain of objects that were grown so, on images that were not learned from:
  // shares of a variance, 1 or less.
  struct Explained {
    double object = 0;  // of being an object or not: low where the edge cuts through what is alike
    // Of whose it is, over all tags: too small objects are parts that tags have in common, too
    // large ones have background that nobody can name.
    double name = 0;
  };
  Explained Judge(double share, Spread spread) const;

 private:
  struct Growth {
    at::Tensor weight;  // f64 [K + 1], the last is the bias
    at::Tensor score;   // f32 [pixels]
    at::Tensor object;  // f32 [pixels], 0 or 1
    float edge = 0;
  };
  Growth Grow(double share, Spread spread) const;
  float TakeFreely(const at::Tensor& score, double share, at::Tensor& object) const;
  void TakeEvenly(const at::Tensor& score, double share, at::Tensor& object) const;

  const std::vector<int64_t> begin_;
  const std::vector<bool> tagged_;
  const at::Tensor attention_, tag_;
  at::Tensor mean_, deviation_;         // f32 [D]
  at::Tensor basis_;                    // f32 [D, K]
  at::Tensor inputs_;                   // f32 [pixels, K + 1], the last column is 1
  at::Tensor tagged_pixels_;            // i64, their indices
  at::Tensor fold_;                     // i64 [pixels]
  std::vector<at::Tensor> fold_grams_;  // f64 [K + 1, K + 1]: sums over a fold's pixels
  at::Tensor inverse_;                  // f64 [K + 1, K + 1], of all pixels' mean, with the ridge
  std::vector<at::Tensor> inverse_without_;  // the same without a fold
};

struct JudgedShare {
  double share = 0;
  ObjectLearner::Explained even;
  std::optional<ObjectLearner::Explained> free;  // where it was asked for
};
struct ShareChoice {
  double share = 0;
  std::vector<JudgedShare> judged;  // rising
};

// The share by which objects can be told best. Free growth can give all to the images of the
// easiest tag, and names those few pixels well; even growth cannot, but forces the small and the
// large to one size, so that its best is flat. So, by what is explained of objects times what is of
// names: of the shares within a tenth of the best even growth, the one with the best free growth.
// judged: called after each of the shares.
ShareChoice ChooseObjectShare(const ObjectLearner& learner, const std::function<void()>& judged);

}  // namespace i2crc
