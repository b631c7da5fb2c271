// SPDX-License-Identifier: Apache-2.0
#include "i2crc/losses/relation_losses.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "i2crc/core/random.h"
#include "i2crc/weights/tensor_file.h"
#include "support/test_dirs.h"

namespace i2crc {
namespace {

struct Batch {
  RelationLossInput input;
  std::vector<float> scores;
  std::vector<uint8_t> saliency, tags;

  void Bind() {
    input.scores = scores;
    input.saliency = saliency;
    input.tags = tags;
  }
};

Batch RandomBatch(int images, int classes, int height, int width, int saliency_height,
                  int saliency_width, uint64_t seed) {
  Random random({seed});
  Batch batch;
  batch.input = {images, classes, height, width, saliency_height, saliency_width, {}, {}, {}};
  batch.scores.resize(static_cast<size_t>(images * classes * height * width));
  for (float& v : batch.scores) v = static_cast<float>(random.Normal());
  batch.saliency.resize(static_cast<size_t>(images * saliency_height * saliency_width));
  for (uint8_t& v : batch.saliency)
    v = static_cast<uint8_t>(std::clamp<int64_t>(random.Below(400) - 70, 0, 255));
  batch.tags.assign(static_cast<size_t>(images * classes), 0);
  for (int n = 0; n < images; ++n)
    batch.tags[static_cast<size_t>(n * classes + random.Below(classes))] = 1;
  batch.Bind();
  return batch;
}

RelationLossValues Losses(const Batch& batch, const RelationLossWeights& weights = {}) {
  std::vector<float> gradient(batch.scores.size());
  return RelationLosses(batch.input, weights, gradient);
}

// The definition, enlarging the scores: slow, and nothing but the formulas of ALGORITHM.md.
RelationLossValues Literal(const Batch& batch) {
  const auto& in = batch.input;
  RelationLossValues values;
  std::vector<double> large(static_cast<size_t>(in.saliency_height * in.saliency_width));
  auto enlarge = [&](const float* x) {
    for (int i = 0; i < in.saliency_height; ++i)
      for (int j = 0; j < in.saliency_width; ++j) {
        const double y = std::max((i + 0.5) * in.height / in.saliency_height - 0.5, 0.0);
        const double z = std::max((j + 0.5) * in.width / in.saliency_width - 0.5, 0.0);
        const int y0 = static_cast<int>(y), z0 = static_cast<int>(z);
        const int y1 = std::min(y0 + 1, in.height - 1), z1 = std::min(z0 + 1, in.width - 1);
        const double b = y - y0, c = z - z0;
        auto at = [&](int r, int s) { return static_cast<double>(x[r * in.width + s]); };
        large[static_cast<size_t>(i * in.saliency_width + j)] =
            (1 - b) * ((1 - c) * at(y0, z0) + c * at(y0, z1)) +
            b * ((1 - c) * at(y1, z0) + c * at(y1, z1));
      }
  };
  for (int n = 0; n < in.images; ++n) {
    const auto tags =
        in.tags.subspan(static_cast<size_t>(n * in.classes), static_cast<size_t>(in.classes));
    if (std::count(tags.begin(), tags.end(), 1) == 1) ++values.single_tag_images;
  }
  for (int n = 0; n < in.images; ++n) {
    const auto tags =
        in.tags.subspan(static_cast<size_t>(n * in.classes), static_cast<size_t>(in.classes));
    if (std::count(tags.begin(), tags.end(), 1) != 1) continue;
    for (int c = 0; c < in.classes; ++c) {
      enlarge(&batch.scores[static_cast<size_t>((n * in.classes + c) * in.height * in.width)]);
      auto mask = [&](size_t p, bool object) {
        const double s = batch.saliency[static_cast<size_t>(n) * large.size() + p] / 255.0;
        return object ? s : 1 - s;
      };
      double centre[2], intra[2];
      for (int object = 0; object < 2; ++object) {
        double sum = 0, moment = 0, spread = 0;
        for (size_t p = 0; p < large.size(); ++p) {
          sum += mask(p, object);
          moment += mask(p, object) * large[p];
        }
        centre[object] = moment / (sum + 1e-5);
        for (size_t p = 0; p < large.size(); ++p) {
          const double difference = mask(p, object) * (large[p] - centre[object]);
          spread += difference * difference;
        }
        intra[object] = spread / (sum + 1e-5);
      }
      const double mean = 1.0 / values.single_tag_images / in.classes;
      values.intra_foreground += mean * intra[1];
      values.intra_background += mean * intra[0];
      if (tags[static_cast<size_t>(c)]) values.inter += mean * (centre[0] - centre[1]);
    }
  }
  return values;
}

TEST(RelationLosses, AgreeWithTheDefinitionOnOddSizes) {
  const int sizes[][4] = {{1, 1, 7, 5}, {3, 1, 8, 8}, {5, 4, 13, 17}, {6, 6, 6, 6}, {7, 9, 5, 4}};
  for (const auto& s : sizes) {
    const Batch batch = RandomBatch(3, 4, s[0], s[1], s[2], s[3], 17);
    const auto ours = Losses(batch);
    const auto literal = Literal(batch);
    // The taps are rounded to f32 as PyTorch's are, hence not 1e-12.
    EXPECT_NEAR(ours.intra_foreground, literal.intra_foreground, 2e-6) << s[0] << "x" << s[1];
    EXPECT_NEAR(ours.intra_background, literal.intra_background, 2e-6);
    EXPECT_NEAR(ours.inter, literal.inter, 2e-6);
  }
}

TEST(RelationLosses, GradientIsTheNumericalOne) {
  Batch batch = RandomBatch(3, 3, 4, 5, 11, 9, 23);
  batch.tags[0] = batch.tags[1] = 1;  // an image with more than one tag
  const RelationLossWeights weights{0.7, 1.3, 0.9};
  std::vector<float> gradient(batch.scores.size()), ignored(batch.scores.size());
  RelationLosses(batch.input, weights, gradient);
  for (size_t i = 0; i < batch.scores.size(); ++i) {
    const float kept = batch.scores[i];
    const float step = 0.015625F;
    batch.scores[i] = kept + step;
    const double above = RelationLosses(batch.input, weights, ignored).total;
    batch.scores[i] = kept - step;
    const double below = RelationLosses(batch.input, weights, ignored).total;
    batch.scores[i] = kept;
    EXPECT_NEAR(gradient[i], (above - below) / (2 * step), 1e-5) << "element " << i;
  }
}

TEST(RelationLosses, AreZeroWithoutSingleTagImages) {
  Batch batch = RandomBatch(2, 3, 4, 4, 8, 8, 5);
  batch.tags = {1, 1, 0, 0, 0, 0};
  batch.Bind();
  const auto values = Losses(batch);
  EXPECT_EQ(values.single_tag_images, 0);
  EXPECT_EQ(values.intra_foreground, 0.0);
  EXPECT_EQ(values.intra_background, 0.0);
  EXPECT_EQ(values.inter, 0.0);
  EXPECT_EQ(values.total, values.classification);
}

TEST(RelationLosses, IntraLossDoesNotSeeAConstantAdded) {
  Batch batch = RandomBatch(2, 2, 6, 6, 24, 24, 9);
  const auto before = Losses(batch);
  for (float& v : batch.scores) v += 8.0F;
  const auto after = Losses(batch);
  EXPECT_NEAR(before.intra_foreground, after.intra_foreground, 1e-4);
  EXPECT_NEAR(before.intra_background, after.intra_background, 1e-4);
  EXPECT_NEAR(before.inter, after.inter, 1e-4);
}

TEST(RelationLosses, LogitsOfAnySizeGiveFiniteLosses) {
  Batch batch = RandomBatch(1, 2, 2, 2, 4, 4, 3);
  std::fill(batch.scores.begin(), batch.scores.end(), 1e6F);
  batch.tags = {1, 0};
  batch.Bind();
  EXPECT_NEAR(Losses(batch).classification, 0.5e6, 1);
}

TEST(RelationLosses, GoldensOfTheReference) {
  I2CRC_NEEDS_SHARED("goldens/relation_losses.safetensors");
  const TensorMap golden =
      ReadTensorFile(testing::SharedPath("goldens/relation_losses.safetensors"));
  int cases = 0;
  for (const auto& [name, scores] : golden.items()) {
    if (!name.ends_with(".scores")) continue;
    const std::string prefix = name.substr(0, name.size() - 6);
    auto tensor = [&](const std::string& key) -> const Tensor& {
      return *golden.Find(prefix + key);
    };
    auto scalar = [&](const std::string& key) { return tensor(key).As<double>()[0]; };
    ++cases;
    Batch batch;
    const auto& saliency = tensor("saliency");
    auto dim = [](const Tensor& t, size_t i) { return static_cast<int>(t.shape[i]); };
    batch.input = {dim(scores, 0),
                   dim(scores, 1),
                   dim(scores, 2),
                   dim(scores, 3),
                   dim(saliency, 1),
                   dim(saliency, 2),
                   {},
                   {},
                   {}};
    batch.scores = scores.ToF32();
    const auto bytes = saliency.As<uint8_t>();
    batch.saliency.assign(bytes.begin(), bytes.end());
    for (float tag : tensor("tags").ToF32()) batch.tags.push_back(tag > 0.5F);
    batch.Bind();
    std::vector<float> gradient(batch.scores.size());
    const auto values = RelationLosses(batch.input, {}, gradient);
    auto near = [&](double ours, const std::string& key, double absolute) {
      const double truth = scalar(key);
      if (truth == 0) {
        EXPECT_EQ(ours, 0.0) << prefix << key;
      } else {
        EXPECT_NEAR(ours, truth, std::max(absolute, 1e-5 * std::abs(truth))) << prefix << key;
      }
    };
    near(values.classification, "loss_classification", 0);
    near(values.intra_foreground, "loss_intra_foreground", 0);
    near(values.intra_background, "loss_intra_background", 0);
    near(values.inter, "loss_inter", 1e-6);
    near(values.total, "loss_total", 0);
    const auto truth = tensor("grad_scores").ToF32();
    float largest = 0;
    for (float v : truth) largest = std::max(largest, std::abs(v));
    for (size_t i = 0; i < truth.size(); ++i)
      ASSERT_NEAR(gradient[i], truth[i], 1e-5F * largest) << prefix << "grad " << i;
  }
  EXPECT_EQ(cases, 5);
}

}  // namespace
}  // namespace i2crc
