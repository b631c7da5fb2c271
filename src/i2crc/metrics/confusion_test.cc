// SPDX-License-Identifier: Apache-2.0
#include "i2crc/metrics/confusion.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "i2crc/core/error.h"
#include "i2crc/core/random.h"

namespace i2crc {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Ignored = Confusion::Ignored;

ImageU8 Row(std::vector<uint8_t> values) {
  ImageU8 image(1, static_cast<int>(values.size()), 1);
  image.values() = std::move(values);
  return image;
}

// Labels 0 … classes, some 255.
ImageU8 RandomMask(Random& random, int height, int width, int classes) {
  ImageU8 mask(height, width, 1);
  for (uint8_t& v : mask.values())
    v = random.Below(5) == 0 ? 255 : static_cast<uint8_t>(random.Below(classes + 1));
  return mask;
}

std::string MessageOf(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

bool SameCounts(const Confusion& a, const Confusion& b) {
  if (a.labels() != b.labels()) return false;
  for (int truth = 0; truth < a.labels(); ++truth) {
    if (a.ignored(truth) != b.ignored(truth)) return false;
    for (int prediction = 0; prediction < a.labels(); ++prediction)
      if (a.count(truth, prediction) != b.count(truth, prediction)) return false;
  }
  return true;
}

// mIoU by sets of pixels, label by label.
double LiteralMeanIou(const std::vector<ImageU8>& predictions, const std::vector<ImageU8>& truths,
                      int classes, Ignored ignored) {
  double sum = 0, labels = 0;
  for (int label = 0; label <= classes; ++label) {
    double both = 0, either = 0, in_truth = 0;
    for (size_t image = 0; image < truths.size(); ++image) {
      for (size_t i = 0; i < truths[image].pixels(); ++i) {
        const int truth = truths[image].values()[i];
        int prediction = predictions[image].values()[i];
        if (truth == 255 || (prediction == 255 && ignored == Ignored::kLeftOut)) continue;
        if (prediction == 255) prediction = 0;
        in_truth += truth == label ? 1 : 0;
        both += truth == label && prediction == label ? 1 : 0;
        either += truth == label || prediction == label ? 1 : 0;
      }
    }
    if (in_truth == 0) continue;
    sum += both / either;
    ++labels;
  }
  return labels == 0 ? 0 : sum / labels;
}

TEST(Confusion, CountsByHand) {
  Confusion confusion(2);
  confusion.Add(Row({0, 0, 1, 1, 2, 255, 255, 1}), Row({0, 1, 1, 1, 1, 1, 0, 255}));
  EXPECT_EQ(confusion.labels(), 3);
  EXPECT_EQ(confusion.count(0, 0), 1u);
  EXPECT_EQ(confusion.count(1, 0), 1u);
  EXPECT_EQ(confusion.count(1, 1), 2u);
  EXPECT_EQ(confusion.count(1, 2), 1u);
  EXPECT_EQ(confusion.ignored(0), 1u);
  EXPECT_EQ(confusion.ignored(1), 1u);
  EXPECT_EQ(confusion.truth_pixels(1), 5u);
  EXPECT_EQ(confusion.pixels(), 7u);
  EXPECT_DOUBLE_EQ(confusion.IgnoredShare(), 2.0 / 7);

  EXPECT_DOUBLE_EQ(*confusion.Iou(0, Ignored::kLeftOut), 1.0 / 2);
  EXPECT_DOUBLE_EQ(*confusion.Iou(1, Ignored::kLeftOut), 2.0 / 4);
  EXPECT_DOUBLE_EQ(confusion.PixelAccuracy(Ignored::kLeftOut), 3.0 / 5);
  EXPECT_DOUBLE_EQ(*confusion.Iou(0), 2.0 / 4);
  EXPECT_DOUBLE_EQ(*confusion.Iou(1), 2.0 / 5);
  EXPECT_DOUBLE_EQ(confusion.PixelAccuracy(), 4.0 / 7);
  // Label 2 has no truth pixel: it is not in the mean, though it was predicted.
  EXPECT_FALSE(confusion.Iou(2).has_value());
  EXPECT_DOUBLE_EQ(confusion.MeanIou(), (2.0 / 4 + 2.0 / 5) / 2);
}

TEST(Confusion, ALabelWhoseTruthIsIgnoredThroughoutCountsOnlyAsBackground) {
  Confusion confusion(1);
  confusion.Add(Row({0, 255, 255}), Row({0, 1, 1}));
  EXPECT_FALSE(confusion.Iou(1, Ignored::kLeftOut).has_value());
  EXPECT_DOUBLE_EQ(confusion.MeanIou(Ignored::kLeftOut), 1.0);
  EXPECT_DOUBLE_EQ(*confusion.Iou(1), 0.0);
  EXPECT_DOUBLE_EQ(confusion.MeanIou(), (1.0 / 3 + 0) / 2);
}

TEST(Confusion, NothingAdded) {
  Confusion confusion(3);
  confusion.Add(Row({1, 2}), Row({255, 255}));
  EXPECT_EQ(confusion.pixels(), 0u);
  EXPECT_EQ(confusion.MeanIou(), 0.0);
  EXPECT_EQ(confusion.PixelAccuracy(), 0.0);
  EXPECT_EQ(confusion.IgnoredShare(), 0.0);
}

TEST(Confusion, SameAsSetsOfPixelsAndWhateverTheOrder) {
  Random random({41});
  for (int round = 0; round < 100; ++round) {
    const int classes = 1 + static_cast<int>(random.Below(round % 10 == 0 ? 254 : 6));
    std::vector<ImageU8> predictions, truths;
    for (int image = 0; image < 4; ++image) {
      const int height = 1 + static_cast<int>(random.Below(8));
      predictions.push_back(RandomMask(random, height, 7, classes));
      truths.push_back(RandomMask(random, height, 7, classes));
    }
    Confusion forward(classes), backward(classes), first(classes), second(classes);
    for (size_t i = 0; i < 4; ++i) {
      forward.Add(predictions[i], truths[i]);
      backward.Add(predictions[3 - i], truths[3 - i]);
      (i < 2 ? first : second).Add(predictions[i], truths[i]);
    }
    for (Ignored ignored : {Ignored::kLeftOut, Ignored::kAsBackground})
      EXPECT_NEAR(forward.MeanIou(ignored), LiteralMeanIou(predictions, truths, classes, ignored),
                  1e-12);
    EXPECT_TRUE(SameCounts(forward, backward));
    second.Merge(first);
    EXPECT_TRUE(SameCounts(forward, second));
  }
}

TEST(Confusion, TheTruthAgainstItselfIsPerfect) {
  Random random({42});
  const ImageU8 truth = RandomMask(random, 20, 20, 254);
  Confusion confusion(254);
  confusion.Add(truth, truth);
  EXPECT_EQ(confusion.MeanIou(), 1.0);
  EXPECT_EQ(confusion.PixelAccuracy(), 1.0);
  EXPECT_EQ(confusion.IgnoredShare(), 0.0);
}

TEST(Confusion, BadImagesAreNamedAndNotCounted) {
  Confusion confusion(2);
  ImageU8 mask(2, 3, 1);
  mask.at(1, 2) = 3;
  const std::string value =
      " has the value 3 at column 2, row 1, but 2 classes allow 0 to 2 and 255";
  EXPECT_EQ(MessageOf([&] { confusion.Add(mask, ImageU8(2, 3, 1)); }), "the prediction" + value);
  EXPECT_EQ(MessageOf([&] { confusion.Add(mask, ImageU8(2, 3, 1, 255)); }),
            "the prediction" + value);
  EXPECT_EQ(MessageOf([&] { confusion.Add(ImageU8(2, 3, 1), mask); }), "the truth" + value);
  EXPECT_EQ(MessageOf([&] { confusion.Add(ImageU8(3, 2, 1), ImageU8(2, 3, 1)); }),
            "the prediction has 2x3 pixels, the truth 3x2");
  EXPECT_THAT(MessageOf([&] { confusion.Add(ImageU8(2, 3, 3), ImageU8(2, 3, 1)); }),
              HasSubstr("must have one channel"));
  EXPECT_EQ(confusion.pixels(), 0u);
}

TEST(Confusion, MergingOtherClassesIsOurBug) {
  Confusion confusion(2);
  EXPECT_THROW(confusion.Merge(Confusion(3)), InternalError);
  EXPECT_THROW(confusion.AddCount(0, 3, 1), InternalError);
  EXPECT_THROW(Confusion(0), InternalError);
  EXPECT_THROW(Confusion(255), InternalError);
}

TEST(CombineAttention, TheLargestValueTheFirstOnATie) {
  const std::vector<ImageU8> maps = {Row({10, 50, 0, 7}), Row({20, 50, 0, 6}), Row({15, 51, 0, 7})};
  const std::vector<int> tags = {2, 5, 253};
  ImageU8 value, label;
  CombineAttention(maps, tags, value, label);
  EXPECT_THAT(value.values(), ElementsAre(20, 51, 0, 7));
  EXPECT_THAT(label.values(), ElementsAre(6, 254, 3, 3));
}

TEST(CombineAttention, WithoutMapsEverythingIsZeroInTheSizeGiven) {
  ImageU8 value(3, 4, 1, 9), label;
  CombineAttention({}, {}, value, label);
  ASSERT_EQ(value.height(), 3);
  ASSERT_TRUE(value.SameSize(label));
  EXPECT_THAT(value.values(), Each(0));
  EXPECT_THAT(label.values(), Each(0));
}

TEST(CombineAttention, SizesThatDifferNameTheTag) {
  const std::vector<ImageU8> maps = {ImageU8(2, 2, 1), ImageU8(2, 3, 1)};
  const std::vector<int> tags = {4, 8};
  ImageU8 value, label;
  EXPECT_EQ(MessageOf([&] { CombineAttention(maps, tags, value, label); }),
            "the attention map of tag 8 has 3x2 pixels, that of tag 4 2x2");
}

struct CurveImage {
  ImageU8 value, label, truth;
};

CurveImage RandomCurveImage(Random& random, int classes) {
  CurveImage image;
  image.truth = RandomMask(random, 6, 9, classes);
  image.value = ImageU8(6, 9, 1);
  std::vector<ImageU8> maps;
  std::vector<int> tags;
  for (int tag = 0; tag < classes; ++tag) {
    if (random.Below(2) == 0) continue;
    maps.emplace_back(6, 9, 1);
    for (uint8_t& v : maps.back().values()) v = static_cast<uint8_t>(random.Below(256));
    tags.push_back(tag);
  }
  CombineAttention(maps, tags, image.value, image.label);
  return image;
}

TEST(ThresholdCurve, SameAsAMaskForEachThreshold) {
  Random random({51});
  constexpr int kClasses = 4;
  ThresholdCurve curve(kClasses), first(kClasses), second(kClasses);
  std::vector<CurveImage> images;
  for (int i = 0; i < 6; ++i) {
    images.push_back(RandomCurveImage(random, kClasses));
    curve.Add(images.back().value, images.back().label, images.back().truth);
    (i < 3 ? first : second).Add(images.back().value, images.back().label, images.back().truth);
  }
  first.Merge(second);
  double best = -1, best_threshold = 0;
  for (int step = 1; step <= ThresholdCurve::kSteps; ++step) {
    Confusion literal(kClasses);
    for (const CurveImage& image : images) {
      ImageU8 mask = image.label;
      for (size_t i = 0; i < mask.pixels(); ++i)
        if (!(image.value.values()[i] / 255.0 > step / 100.0)) mask.values()[i] = 0;
      literal.Add(mask, image.truth);
    }
    EXPECT_TRUE(SameCounts(curve.At(step), literal)) << step;
    EXPECT_TRUE(SameCounts(first.At(step), literal)) << step;
    if (literal.MeanIou() > best) {
      best = literal.MeanIou();
      best_threshold = step / 100.0;
    }
  }
  EXPECT_EQ(curve.best().mean_iou, best);
  EXPECT_EQ(curve.best().threshold, best_threshold);
}

TEST(ThresholdCurve, AboveMeansAbove) {
  // 51/255 is 0.2 to the last bit, and so are 102, 153 and 204 multiples of it.
  for (int multiple = 1; multiple <= 4; ++multiple) {
    ThresholdCurve curve(1);
    const auto value = static_cast<uint8_t>(51 * multiple);
    curve.Add(Row({value}), Row({1}), Row({1}));
    EXPECT_EQ(curve.At(20 * multiple).count(1, 1), 0u);
    EXPECT_EQ(curve.At(20 * multiple - 1).count(1, 1), 1u);
  }
}

TEST(ThresholdCurve, OnATieTheLowestThreshold) {
  ThresholdCurve curve(1);
  curve.Add(Row({100, 0}), Row({1, 1}), Row({1, 0}));
  EXPECT_EQ(curve.best().threshold, 0.01);
  EXPECT_EQ(curve.best().mean_iou, 1.0);
  ThresholdCurve nothing(1);
  EXPECT_EQ(nothing.best().threshold, 0.01);
  EXPECT_EQ(nothing.best().mean_iou, 0.0);
}

TEST(ThresholdCurve, BadImagesAreNamed) {
  ThresholdCurve curve(2);
  EXPECT_EQ(MessageOf([&] {
              curve.Add(Row({0}), Row({0}), Row({0, 0}));
            }),
            "the attention map has 1x1 pixels, the truth 2x1");
  EXPECT_THAT(MessageOf([&] { curve.Add(Row({0}), Row({0}), Row({3})); }),
              HasSubstr("the truth has the value 3"));
  EXPECT_THROW(curve.Add(Row({0}), Row({255}), Row({0})), InternalError);
}

TEST(ThresholdCurve, AsManyClassesAsThereCanBe) {
  ThresholdCurve curve(254);
  curve.Add(Row({200, 200}), Row({254, 1}), Row({254, 254}));
  EXPECT_EQ(curve.At(50).count(254, 254), 1u);
  EXPECT_EQ(curve.At(50).count(254, 1), 1u);
  EXPECT_EQ(curve.At(90).count(254, 0), 2u);
}

}  // namespace
}  // namespace i2crc
