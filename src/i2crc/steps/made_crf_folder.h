// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "i2crc/inputs/made_folder.h"
#include "i2crc/steps/crf_step.h"
#include "i2crc/weights/tensor_file.h"

// Photographs of two halves and probabilities that nearly see them, for the tests of the CRF's
// step.
namespace i2crc::testing {

inline constexpr int kHeight = 11;
inline constexpr int kWidth = 17;
inline constexpr size_t kPixels = size_t{kHeight} * kWidth;

inline ImageU8 Photograph(int height = kHeight, int width = kWidth, int seed = 0) {
  ImageU8 rgb(height, width, 3);
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (int c = 0; c < 3; ++c)
        rgb.at(y, x, c) =
            static_cast<uint8_t>((x < width / 2 ? 40 : 190) + (7 * x + 3 * y) % 11 + 5 * c + seed);
  return rgb;
}

// [labels, H, W], each pixel's sum 1: the left half is likely label 1, the right half 0; others
// share what is left.
inline std::vector<float> Probability(int labels, int seed = 0) {
  std::vector<float> values(static_cast<size_t>(labels) * kPixels);
  for (size_t p = 0; p < kPixels; ++p) {
    const bool left = p % kWidth < kWidth / 2;
    const float noise = 0.01F * static_cast<float>((p * 31 + static_cast<size_t>(seed)) % 11);
    const float rest = labels > 2 ? 0.1F : 0.0F;
    const float likely = 0.55F + (labels > 2 ? 0.0F : 0.1F) - noise;
    values[p + (left ? kPixels : 0)] = likely;
    values[p + (left ? 0 : kPixels)] = 1 - likely - rest;
    for (int l = 2; l < labels; ++l)
      values[static_cast<size_t>(l) * kPixels + p] = rest / static_cast<float>(labels - 2);
  }
  return values;
}

class CrfStepTest : public ::testing::Test {
 protected:
  CrfStepTest() {
    options_.images = folder_ / "images";
    options_.probabilities = folder_ / "probabilities";
    options_.list = folder_ / "list.txt";
    options_.out = folder_ / "made/crf";
    options_.items.threads = 1;
    MakeFolder(options_.images);
    MakeFolder(options_.probabilities);
  }

  void List(const std::string& line) {
    list_ += line + "\n";
    folder_.Text("list.txt", list_);
  }
  void AddImage(const std::string& id, const std::string& tags, int labels, int seed = 0) {
    MakeFolder((options_.images / id).parent_path());
    WriteRgbPng(options_.images / (id + ".png"), Photograph(kHeight, kWidth, seed));
    Store(id, Tensor::FromF32({labels, kHeight, kWidth}, Probability(labels, seed)));
    List(id + " " + tags);
  }
  void Store(const std::string& id, Tensor tensor, const std::string& name = "probability") {
    TensorMap tensors;
    tensors.Add(name, std::move(tensor));
    MakeFolder((options_.probabilities / id).parent_path());
    WriteSafetensors(options_.probabilities / (id + ".safetensors"), tensors);
  }
  void UseMasks() {
    options_.labels = folder_ / "masks";
    options_.probabilities.clear();
  }
  CrfResult Run() {
    Context context;
    return PrepareCrf(options_, context).Run(context);
  }
  ImageU8 Mask(const std::string& id) const { return ReadMask(options_.out / (id + ".png")); }
  std::vector<float> Marginals(const std::string& id) const {
    const TensorMap stored = ReadTensorFile(options_.out / (id + ".safetensors"));
    EXPECT_EQ(stored.size(), 1u);
    EXPECT_EQ(stored.Find("probability")->dtype, DType::kF16);
    return stored.Find("probability")->ToF32();
  }
  // Refused before work, nothing written.
  std::string RefusalOf() {
    LoggedContext context;
    const std::string message =
        ErrorOf([&] { PrepareCrf(options_, context).Run(context); }, folder_);
    EXPECT_FALSE(context.work_began()) << message;
    EXPECT_FALSE(std::filesystem::exists(folder_ / "made"));
    return message;
  }
  // Found during work: nothing of the image is written.
  std::string FailureOf() {
    LoggedContext context;
    const std::string message =
        ErrorOf([&] { PrepareCrf(options_, context).Run(context); }, folder_);
    EXPECT_TRUE(context.work_began()) << message;
    EXPECT_TRUE(folder_.Files("made").empty());
    return message;
  }

  MadeFolder folder_;
  std::string list_;
  CrfStepOptions options_;
};

}  // namespace i2crc::testing
