// SPDX-License-Identifier: Apache-2.0
#include "i2crc/image/resize.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <tuple>
#include <vector>

#include "i2crc/core/random.h"
#include "support/golden_file.h"
#include "support/test_dirs.h"

namespace i2crc {
namespace {

using testing::GoldenFile;
using testing::GoldenTensor;
using testing::SharedPath;

ImageU8 FromGolden(const GoldenTensor& tensor) {
  const int channels = tensor.shape.size() == 3 ? static_cast<int>(tensor.shape[2]) : 1;
  ImageU8 image(static_cast<int>(tensor.shape.at(0)), static_cast<int>(tensor.shape.at(1)),
                channels);
  image.values() = tensor.U8();
  return image;
}

ImageF32 ToFloat(const ImageU8& image) {
  ImageF32 out(image.height(), image.width(), image.channels());
  std::copy(image.values().begin(), image.values().end(), out.values().begin());
  return out;
}

ImageU8 Noise(int height, int width, int channels, uint64_t seed) {
  Random random({seed});
  ImageU8 image(height, width, channels);
  for (uint8_t& value : image.values()) value = static_cast<uint8_t>(random.Below(256));
  // Black and white blocks make the cubic overshoot and the clamps work.
  for (int y = 0; y < height / 2; ++y)
    for (int x = 0; x < width / 2; ++x)
      for (int c = 0; c < channels; ++c) image.at(y, x, c) = (x / 2 + y / 3) % 2 == 0 ? 0 : 255;
  return image;
}

// --- The reference's own outputs ---

TEST(ResizeGolden, PillowBilinearIsEqual) {
  I2CRC_NEEDS_SHARED("goldens/resize.safetensors");
  const GoldenFile golden(SharedPath("goldens/resize.safetensors"));
  for (const std::string n : {"0", "1", "2"}) {
    const ImageU8 expected = FromGolden(golden.at(n + ".pillow_bilinear_256"));
    EXPECT_TRUE(ResizePillowBilinear(FromGolden(golden.at(n + ".image")), 256, 256) == expected)
        << n;
  }
}

TEST(ResizeGolden, NearestIsEqual) {
  I2CRC_NEEDS_SHARED("goldens/resize.safetensors");
  const GoldenFile golden(SharedPath("goldens/resize.safetensors"));
  int compared = 0;
  for (const std::string& name : golden.names()) {
    const ImageU8 expected =
        golden.at(name).dtype == "U8" ? FromGolden(golden.at(name)) : ImageU8();
    const std::string n = name.substr(0, 2);
    if (name.find("pillow_nearest") != std::string::npos)
      EXPECT_TRUE(ResizePillowNearest(FromGolden(golden.at(n + "labels")), expected.height(),
                                      expected.width()) == expected)
          << name;
    else if (name.find("opencv_nearest") != std::string::npos)
      EXPECT_TRUE(ResizeOpenCvNearest(FromGolden(golden.at(n + "grey")), expected.height(),
                                      expected.width()) == expected)
          << name;
    else
      continue;
    ++compared;
  }
  EXPECT_GE(compared, 8);
}

TEST(ResizeGolden, OpenCvBilinearOnFloat) {
  I2CRC_NEEDS_SHARED("goldens/resize.safetensors");
  const GoldenFile golden(SharedPath("goldens/resize.safetensors"));
  const ImageF32 image = ToFloat(FromGolden(golden.at("2.image")));
  for (const std::string name : {"2.opencv_linear_f32_0.5", "2.opencv_linear_f32_1.25"}) {
    const GoldenTensor& expected = golden.at(name);
    const ImageF32 got = ResizeOpenCvBilinear(image, static_cast<int>(expected.shape[0]),
                                              static_cast<int>(expected.shape[1]));
    const std::vector<float> values = expected.Floats();
    ASSERT_EQ(got.size(), values.size());
    float worst = 0;
    for (size_t i = 0; i < values.size(); ++i)
      worst = std::max(worst, std::abs(values[i] - got.values()[i]));
    EXPECT_LE(worst, 1e-4F) << name;
  }
}

TEST(ResizeGolden, OpenCvCubicIsEqual) {
  I2CRC_NEEDS_SHARED("goldens/attention_map.safetensors");
  const GoldenFile golden(SharedPath("goldens/attention_map.safetensors"));
  for (const std::string n : {"0", "1", "2", "3", "4"}) {
    const ImageU8 expected = FromGolden(golden.at(n + ".attention"));
    const ImageU8 small = FromGolden(golden.at(n + ".attention_small"));
    EXPECT_TRUE(ResizeOpenCvCubic(small, expected.height(), expected.width()) == expected) << n;
  }
}

// --- Slow and simple forms of the same rules, pixel by pixel ---

struct Weighted {
  std::vector<int> index;
  std::vector<int64_t> weight;
};

Weighted PillowWeights(int i, int source, int target) {
  const double scale = static_cast<double>(source) / target;
  const double f = std::max(scale, 1.0);
  const double centre = (i + 0.5) * scale;
  double sum = 0;
  std::vector<double> exact;
  Weighted out;
  for (int x = 0; x < source; ++x) {
    const double weight = std::max(0.0, 1.0 - std::abs(x - centre + 0.5) / f);
    if (weight == 0) continue;
    out.index.push_back(x);
    exact.push_back(weight);
    sum += weight;
  }
  for (const double weight : exact) out.weight.push_back(std::llround(weight / sum * (1 << 22)));
  return out;
}

uint8_t Shifted(int64_t sum, int bits) {
  return static_cast<uint8_t>(
      std::clamp<int64_t>((sum + (int64_t{1} << (bits - 1))) >> bits, 0, 255));
}

ImageU8 Transposed(const ImageU8& image) {
  ImageU8 out(image.width(), image.height(), image.channels());
  for (int y = 0; y < image.height(); ++y)
    for (int x = 0; x < image.width(); ++x)
      for (int c = 0; c < image.channels(); ++c) out.at(x, y, c) = image.at(y, x, c);
  return out;
}

ImageU8 NaivePillowAcross(const ImageU8& image, int width) {
  ImageU8 out(image.height(), width, image.channels());
  for (int y = 0; y < image.height(); ++y)
    for (int x = 0; x < width; ++x)
      for (int c = 0; c < image.channels(); ++c) {
        const Weighted w = PillowWeights(x, image.width(), width);
        int64_t sum = 0;
        for (size_t k = 0; k < w.index.size(); ++k) sum += w.weight[k] * image.at(y, w.index[k], c);
        out.at(y, x, c) = Shifted(sum, 22);
      }
  return out;
}

ImageU8 NaivePillow(const ImageU8& image, int height, int width) {
  return Transposed(NaivePillowAcross(Transposed(NaivePillowAcross(image, width)), height));
}

Weighted CubicWeights(int i, int source, int target) {
  const double scale = 1.0 / (static_cast<double>(target) / source);
  const float f = static_cast<float>((i + 0.5) * scale - 0.5);
  const int low = static_cast<int>(std::floor(f));
  const float t = f - static_cast<float>(low);
  const float a = -0.75F;
  const auto middle = [a](float d) { return ((a + 2) * d - (a + 3)) * d * d + 1; };
  const float c0 = ((a * (t + 1) - 5 * a) * (t + 1) + 8 * a) * (t + 1) - 4 * a;
  const float c1 = middle(t);
  const float c2 = middle(1 - t);
  Weighted out;
  int k = -1;
  for (const float weight : {c0, c1, c2, 1.0F - c0 - c1 - c2}) {
    out.index.push_back(std::clamp(low + k++, 0, source - 1));
    out.weight.push_back(std::lrint(weight * 2048));
  }
  return out;
}

ImageU8 NaiveCubic(const ImageU8& image, int height, int width) {
  ImageU8 out(height, width, image.channels());
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (int c = 0; c < image.channels(); ++c) {
        const Weighted v = CubicWeights(y, image.height(), height);
        const Weighted h = CubicWeights(x, image.width(), width);
        int64_t sum = 0;
        for (size_t j = 0; j < 4; ++j)
          for (size_t k = 0; k < 4; ++k)
            sum += v.weight[j] * h.weight[k] * image.at(v.index[j], h.index[k], c);
        out.at(y, x, c) = Shifted(sum, 22);
      }
  return out;
}

double NaiveBilinear(const ImageF32& image, int height, int width, int y, int x, int c) {
  const auto place = [](int i, int source, int target) {
    return std::clamp((i + 0.5) * source / target - 0.5, 0.0, source - 1.0);
  };
  const double fy = place(y, image.height(), height), fx = place(x, image.width(), width);
  double sum = 0;
  for (int v = 0; v < image.height(); ++v)
    for (int u = 0; u < image.width(); ++u)
      sum += std::max(0.0, 1 - std::abs(v - fy)) * std::max(0.0, 1 - std::abs(u - fx)) *
             static_cast<double>(image.at(v, u, c));
  return sum;
}

// OpenCV's two weights of 2048 for a place between nodes; across, a place outside of the nodes is
// moved to the outermost one.
Weighted FixedWeights(int i, int source, int target, bool across) {
  const double scale = 1.0 / (static_cast<double>(target) / source);
  float f = static_cast<float>((i + 0.5) * scale - 0.5);
  if (across) f = std::clamp(f, 0.0F, static_cast<float>(source - 1));
  const float low = std::floor(f);
  Weighted out;
  for (const int k : {0, 1})
    out.index.push_back(std::clamp(static_cast<int>(low) + k, 0, source - 1));
  out.weight = {std::lrint((1 - (f - low)) * 2048), std::lrint((f - low) * 2048)};
  return out;
}

ImageU8 NaiveFixedBilinear(const ImageU8& image, int height, int width) {
  ImageU8 out(height, width, image.channels());
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (int c = 0; c < image.channels(); ++c) {
        const Weighted v = FixedWeights(y, image.height(), height, false);
        const Weighted h = FixedWeights(x, image.width(), width, true);
        int64_t quarters = 2;  // rounds
        for (size_t j = 0; j < 2; ++j) {
          int64_t across = 0;
          for (size_t k = 0; k < 2; ++k)
            across += h.weight[k] * image.at(v.index[j], h.index[k], c);
          quarters += v.weight[j] * (across >> 4) >> 16;
        }
        out.at(y, x, c) = static_cast<uint8_t>(quarters >> 2);
      }
  return out;
}

// Source height and width, target height and width, channels.
class ResizeSizes : public ::testing::TestWithParam<std::tuple<int, int, int, int, int>> {
 protected:
  void SetUp() override {
    int source_height, source_width, channels;
    std::tie(source_height, source_width, height_, width_, channels) = GetParam();
    image_ = Noise(source_height, source_width, channels, 7);
  }
  ImageU8 image_;
  int height_ = 0;
  int width_ = 0;
};

TEST_P(ResizeSizes, PillowBilinearEqualsTheSlowForm) {
  EXPECT_TRUE(ResizePillowBilinear(image_, height_, width_) ==
              NaivePillow(image_, height_, width_));
}

TEST_P(ResizeSizes, OpenCvCubicEqualsTheSlowForm) {
  EXPECT_TRUE(ResizeOpenCvCubic(image_, height_, width_) == NaiveCubic(image_, height_, width_));
}

TEST_P(ResizeSizes, OpenCvBilinearOn8BitEqualsTheSlowForm) {
  EXPECT_TRUE(ResizeOpenCvBilinear(image_, height_, width_) ==
              NaiveFixedBilinear(image_, height_, width_));
}

TEST_P(ResizeSizes, OpenCvBilinearIsNearTheSlowForm) {
  const ImageF32 image = ToFloat(image_);
  const ImageF32 got = ResizeOpenCvBilinear(image, height_, width_);
  ASSERT_EQ(got.height(), height_);
  ASSERT_EQ(got.width(), width_);
  for (int y = 0; y < height_; ++y)
    for (int x = 0; x < width_; ++x)
      for (int c = 0; c < image.channels(); ++c)
        // f32 coordinates: their rounding times a step of 255.
        ASSERT_NEAR(static_cast<double>(got.at(y, x, c)),
                    NaiveBilinear(image, height_, width_, y, x, c), 2e-3)
            << y << ' ' << x;
}

TEST_P(ResizeSizes, NearestTakesWholePixels) {
  const ImageU8 pillow = ResizePillowNearest(image_, height_, width_);
  const ImageU8 opencv = ResizeOpenCvNearest(image_, height_, width_);
  const double step = static_cast<double>(image_.width()) / width_;
  const double inverse = 1.0 / (static_cast<double>(width_) / image_.width());
  double place = 0.5 * step;
  for (int x = 0; x < width_; ++x, place += step)
    for (int c = 0; c < image_.channels(); ++c) {
      const int edge = image_.width() - 1;
      const int first_row = static_cast<int>(0.5 * image_.height() / height_);
      EXPECT_EQ(pillow.at(0, x, c), image_.at(first_row, static_cast<int>(place), c));
      EXPECT_EQ(opencv.at(0, x, c),
                image_.at(0, std::min(static_cast<int>(std::floor(x * inverse)), edge), c));
    }
  // Rows follow the same rule as columns.
  EXPECT_TRUE(ResizePillowNearest(Transposed(image_), width_, height_) == Transposed(pillow));
  EXPECT_TRUE(ResizeOpenCvNearest(Transposed(image_), width_, height_) == Transposed(opencv));
}

INSTANTIATE_TEST_SUITE_P(SmallAndOdd, ResizeSizes,
                         ::testing::Values(std::tuple{1, 1, 1, 1, 1}, std::tuple{1, 1, 5, 9, 3},
                                           std::tuple{1, 17, 1, 4, 1}, std::tuple{17, 1, 31, 1, 3},
                                           std::tuple{1, 9, 7, 2, 1}, std::tuple{13, 7, 7, 13, 3},
                                           std::tuple{13, 7, 13, 20, 1}, std::tuple{13, 7, 1, 1, 4},
                                           std::tuple{13, 7, 26, 14, 2},
                                           std::tuple{33, 47, 16, 16, 3},
                                           std::tuple{4, 3, 41, 31, 1},
                                           std::tuple{40, 64, 13, 5, 3}));

TEST(Resize, SameSizeChangesNothing) {
  const ImageU8 image = Noise(13, 7, 3, 1);
  EXPECT_TRUE(ResizePillowBilinear(image, 13, 7) == image);
  EXPECT_TRUE(ResizePillowNearest(image, 13, 7) == image);
  EXPECT_TRUE(ResizeOpenCvNearest(image, 13, 7) == image);
  EXPECT_TRUE(ResizeOpenCvCubic(image, 13, 7) == image);
  EXPECT_TRUE(ResizeOpenCvBilinear(image, 13, 7) == image);
  EXPECT_TRUE(ResizeOpenCvBilinear(ToFloat(image), 13, 7) == ToFloat(image));
}

TEST(Resize, FlatStaysFlat) {
  for (const int value : {0, 1, 127, 254, 255}) {
    const ImageU8 flat(37, 53, 3, static_cast<uint8_t>(value));
    EXPECT_TRUE(ResizePillowBilinear(flat, 11, 90) ==
                ImageU8(11, 90, 3, static_cast<uint8_t>(value)));
    EXPECT_TRUE(ResizeOpenCvBilinear(flat, 11, 90) ==
                ImageU8(11, 90, 3, static_cast<uint8_t>(value)));
    EXPECT_TRUE(ResizeOpenCvCubic(flat, 11, 90) == ImageU8(11, 90, 3, static_cast<uint8_t>(value)));
  }
}

TEST(Resize, EmptyImagesAndTargetsAreOurBug) {
  EXPECT_THROW(ResizePillowBilinear(ImageU8(), 4, 4), InternalError);
  EXPECT_THROW(ResizePillowNearest(ImageU8(2, 2, 1), 0, 4), InternalError);
  EXPECT_THROW(ResizeOpenCvNearest(ImageU8(2, 2, 1), 4, 0), InternalError);
  EXPECT_THROW(ResizeOpenCvBilinear(ImageF32(), 4, 4), InternalError);
  EXPECT_THROW(ResizeOpenCvBilinear(ImageU8(), 4, 4), InternalError);
  EXPECT_THROW(ResizeOpenCvCubic(ImageU8(2, 2, 1), -1, 4), InternalError);
}

}  // namespace
}  // namespace i2crc
