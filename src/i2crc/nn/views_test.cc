// SPDX-License-Identifier: Apache-2.0
#include "i2crc/nn/views.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "i2crc/core/random.h"

namespace i2crc {
namespace {

// Logits at a quarter of the size: the means of the three channels, of which the first grows to
// the right and the last to the left.
class MeansNetwork : public Network {
 public:
  explicit MeansNetwork(double leaning)
      : Network({.arch = "means", .outputs = 3}), leaning_(leaning) {}

  at::Tensor Forward(const at::Tensor& images) override {
    ++passes;
    const at::Tensor means = at::adaptive_avg_pool2d(
        images,
        {std::max<int64_t>(1, images.size(2) / 4), std::max<int64_t>(1, images.size(3) / 4)});
    const at::Tensor by_channel = torch::tensor({1.0F, 0.0F, -1.0F}).view({3, 1, 1});
    return means + leaning_ * by_channel * torch::linspace(-1, 1, means.size(3));
  }
  std::vector<at::Tensor> ForwardLevels(const at::Tensor& images) override {
    return {Forward(images)};
  }
  void Train() override {}
  void Eval() override {}
  void To(const at::Device&) override {}
  std::vector<std::pair<std::string, at::Tensor>> State() override { return {}; }
  std::vector<NamedParameter> Parameters() override { return {}; }
  bool IsHead(const std::string&) const override { return false; }
  std::string BackbonePrefix() const override { return ""; }
  void SeedDropout(uint64_t) override {}

  int passes = 0;

 private:
  double leaning_;
};

ImageF32 Noise(int height, int width) {
  Random random({7});
  ImageF32 image(height, width, 3);
  for (float& value : image.values()) value = static_cast<float>(4 * random.Uniform() - 2);
  return image;
}

ImageF32 Mirrored(const ImageF32& image) {
  ImageF32 mirrored = image;
  for (int y = 0; y < image.height(); ++y)
    for (int x = 0; x < image.width(); ++x)
      for (int c = 0; c < 3; ++c) mirrored.at(y, x, c) = image.at(y, image.width() - 1 - x, c);
  return mirrored;
}

TEST(AsBatch, HasChannelsBeforePixels) {
  const ImageF32 image = Noise(5, 7);
  const at::Tensor batch = AsBatch(image);
  ASSERT_EQ(batch.sizes(), (std::vector<int64_t>{1, 3, 5, 7}));
  EXPECT_EQ(batch[0][2][4][6].item<float>(), image.at(4, 6, 2));
  EXPECT_EQ(batch[0][0][1][3].item<float>(), image.at(1, 3, 0));
}

TEST(MeanOfViews, IsOfTheImageAndItsMirrorImage) {
  const at::Tensor ramp = torch::arange(4.0F).view({1, 1, 1, 4});
  const auto first_column = [](const at::Tensor& images) { return images.select(3, 0); };
  EXPECT_EQ(MeanOfViews(ramp, false, first_column).item<float>(), 0);
  EXPECT_EQ(MeanOfViews(ramp, true, first_column).item<float>(), 1.5);
}

TEST(AveragedProbabilities, AreProbabilitiesInThePhotographsSize) {
  MeansNetwork network(1);
  const at::Tensor found =
      AveragedProbabilities(network, Noise(13, 21), {0.5, 1, 1.7}, /*flip=*/true, "cpu");
  ASSERT_EQ(found.sizes(), (std::vector<int64_t>{3, 13, 21}));
  EXPECT_EQ(network.passes, 6);
  EXPECT_GE(found.min().item<float>(), 0);
  EXPECT_LT((found.sum(0) - 1).abs().max().item<float>(), 1e-6F);
}

// A network that leans to one side does not once the mirror image has its say.
TEST(AveragedProbabilities, OfAMirroredPhotographAreMirroredWithFlip) {
  MeansNetwork network(1);
  const ImageF32 image = Noise(16, 24);
  const auto difference = [&](bool flip) {
    const at::Tensor seen = AveragedProbabilities(network, image, {1}, flip, "cpu");
    const at::Tensor mirrored = AveragedProbabilities(network, Mirrored(image), {1}, flip, "cpu");
    return (seen - mirrored.flip({2})).abs().max().item<float>();
  };
  EXPECT_GT(difference(false), 0.01F);
  EXPECT_LT(difference(true), 1e-6F);
}

TEST(AveragedProbabilities, OfOneScaleTwiceAreThoseOfTheScale) {
  MeansNetwork network(0);
  const ImageF32 image = Noise(16, 24);
  const at::Tensor once = AveragedProbabilities(network, image, {1}, false, "cpu");
  EXPECT_LT((AveragedProbabilities(network, image, {1, 1}, false, "cpu") - once)
                .abs()
                .max()
                .item<float>(),
            1e-6F);
  // A view smaller than a pixel is one of a pixel.
  EXPECT_TRUE(
      AveragedProbabilities(network, image, {0.01}, false, "cpu").isfinite().all().item<bool>());
}

}  // namespace
}  // namespace i2crc
