// SPDX-License-Identifier: Apache-2.0
#include "crf_workload.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "i2crc/core/error.h"
#include "i2crc/core/random.h"
#include "i2crc/image/resize.h"
#include "i2crc/synth/scene.h"
#include "i2crc/weights/tensor_file.h"

namespace i2crc::bench {
namespace {

constexpr uint64_t kSeed = 1;
constexpr float kClip = 1e-5F;
// A network's output stride, and the sizes of its prediction's blobs, in pixels.
constexpr int kStride = 8;
constexpr int kCoarse = 64;
constexpr int kFine = 16;

std::vector<float> EnergyOf(std::vector<float> probability) {
  for (float& p : probability) p = -std::log(std::clamp(p, kClip, 1.0F));
  return probability;
}

const Tensor& Get(const TensorMap& tensors, const std::string& path, const char* name, DType dtype,
                  size_t dims) {
  const Tensor* tensor = tensors.Find(name);
  if (tensor == nullptr) Fail("{}: no tensor {}", path, name);
  if (tensor->dtype != dtype || tensor->shape.size() != dims)
    Fail("{}: {} is {} {}, expected {} with {} dimensions", path, name, DTypeName(tensor->dtype),
         ShapeText(tensor->shape), DTypeName(dtype), dims);
  return *tensor;
}

// Normal numbers on a grid of one in `cell` pixels, enlarged to the given size.
ImageF32 Blobs(int cell, int height, int width, Random& random) {
  ImageF32 grid((height * kStride + cell - 1) / cell + 1, (width * kStride + cell - 1) / cell + 1,
                1);
  for (float& v : grid.values()) v = static_cast<float>(random.Normal());
  return ResizeOpenCvBilinear(grid, height, width);
}

// The scores of one label as a network has them, one for kStride² pixels: random blobs of two
// sizes, and one place that is the label's own.
ImageF32 SmallScores(int label, int labels, int height, int width) {
  Random random({kSeed, static_cast<uint64_t>(labels), static_cast<uint64_t>(label)});
  const ImageF32 coarse = Blobs(kCoarse, height, width, random);
  const ImageF32 fine = Blobs(kFine, height, width, random);
  // Places of different labels are nowhere near each other: multiples of two irrational numbers.
  const double y0 = height * std::fmod(0.5 + 0.7548776662 * label, 1.0);
  const double x0 = width * std::fmod(0.5 + 0.5698402910 * label, 1.0);
  const double radius = std::sqrt(height * width / static_cast<double>(labels)) / 2;
  ImageF32 scores(height, width, 1);
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      const double distance = std::hypot(y - y0, x - x0) / radius;
      scores.at(y, x) = 3 * coarse.at(y, x) + fine.at(y, x) +
                        12 * static_cast<float>(std::exp(-0.5 * distance * distance));
    }
  return scores;
}

// In place, and counts.
void SoftmaxPlanes(std::vector<float>& planes, size_t labels, Prediction& prediction) {
  const size_t pixels = planes.size() / labels;
  std::vector<size_t> led(labels);
  double sum_of_largest = 0;
  for (size_t p = 0; p < pixels; ++p) {
    size_t leader = 0;
    for (size_t l = 1; l < labels; ++l)
      if (planes[l * pixels + p] > planes[leader * pixels + p]) leader = l;
    const float largest = planes[leader * pixels + p];
    float sum = 0;
    for (size_t l = 0; l < labels; ++l)
      sum += planes[l * pixels + p] = std::exp(planes[l * pixels + p] - largest);
    for (size_t l = 0; l < labels; ++l) planes[l * pixels + p] /= sum;
    ++led[leader];
    sum_of_largest += 1.0 / static_cast<double>(sum);
  }
  const auto [least, most] = std::minmax_element(led.begin(), led.end());
  prediction.least_share = static_cast<double>(*least) / static_cast<double>(pixels);
  prediction.most_share = static_cast<double>(*most) / static_cast<double>(pixels);
  prediction.mean_largest = sum_of_largest / static_cast<double>(pixels);
}

}  // namespace

std::optional<CrfGolden> ReadCrfGolden(const std::string& name) {
  const std::string path = std::string(I2CRC_SHARED_DIR) + "/goldens/" + name + ".safetensors";
  if (!std::filesystem::exists(path)) return std::nullopt;
  const TensorMap tensors = ReadTensorFile(path);
  const Tensor& image = Get(tensors, path, "image", DType::kU8, 3);
  const Tensor& probability = Get(tensors, path, "probability", DType::kF16, 3);
  const Tensor& marginal = Get(tensors, path, "marginal", DType::kF16, 3);
  const Tensor& labels = Get(tensors, path, "labels", DType::kU8, 2);
  const int64_t height = image.shape[0], width = image.shape[1];
  const std::vector<int64_t> planes = {probability.shape[0], height, width};
  if (image.shape[2] != 3 || probability.shape != planes || marginal.shape != planes ||
      labels.shape != std::vector<int64_t>{height, width})
    Fail("{}: the shapes of its tensors do not fit each other", path);
  CrfGolden golden;
  golden.rgb = ImageU8(static_cast<int>(height), static_cast<int>(width), 3);
  const auto rgb = image.As<uint8_t>();
  golden.rgb.values().assign(rgb.begin(), rgb.end());
  golden.labels = static_cast<int>(planes[0]);
  golden.energy = EnergyOf(probability.ToF32());
  golden.marginals = marginal.ToF32();
  const auto argmax = labels.As<uint8_t>();
  golden.argmax.assign(argmax.begin(), argmax.end());
  return golden;
}

ImageU8 WorkloadImage(const std::optional<CrfGolden>& golden) {
  ImageU8 image(kWorkloadHeight, kWorkloadWidth, 3);
  // Scene 2 has a hide and a ground of fine grain: 1.08 bilateral vertices a pixel.
  const ImageU8 source = golden ? golden->rgb : DrawScene({.size = 512}, kSeed, 2).rgb;
  const int height = source.height();
  if (source.width() < kWorkloadWidth || 2 * height < kWorkloadHeight)
    Fail("the golden's image is {} x {}, too small for {} x {}", height, source.width(),
         kWorkloadHeight, kWorkloadWidth);
  for (int y = 0; y < kWorkloadHeight; ++y)
    std::copy_n(source.row(y < height ? y : 2 * height - 1 - y), kWorkloadWidth * 3, image.row(y));
  return image;
}

ImageU8 Mirrored(const ImageU8& image, int turns) {
  ImageU8 mirrored(image.height(), image.width(), image.channels());
  for (int y = 0; y < image.height(); ++y)
    for (int x = 0; x < image.width(); ++x)
      for (int c = 0; c < image.channels(); ++c)
        mirrored.at(turns & 2 ? image.height() - 1 - y : y, turns & 1 ? image.width() - 1 - x : x,
                    c) = image.at(y, x, c);
  return mirrored;
}

std::string PredictionText() {
  return fmt::format(
      "per label, on a grid of {0} × {0} pixels as a network gives it: 3 × normal noise in blobs "
      "of "
      "{1} pixels + 1 × the same in blobs of {2} pixels + a Gaussian bump of height 12 at a place "
      "of "
      "its own (σ half the side of a label's share of the image); enlarged bilinearly, softmax, "
      "−log(clip(p, 1e-5, 1)); seed {3}",
      kStride, kCoarse, kFine, kSeed);
}

Prediction MakePrediction(int labels, int height, int width) {
  const int small_height = (height + kStride - 1) / kStride;
  const int small_width = (width + kStride - 1) / kStride;
  Prediction prediction;
  std::vector<float>& planes = prediction.energy;
  for (int l = 0; l < labels; ++l) {
    const ImageF32 scores =
        ResizeOpenCvBilinear(SmallScores(l, labels, small_height, small_width), height, width);
    planes.insert(planes.end(), scores.values().begin(), scores.values().end());
  }
  SoftmaxPlanes(planes, static_cast<size_t>(labels), prediction);
  planes = EnergyOf(std::move(planes));
  return prediction;
}

}  // namespace i2crc::bench
