// SPDX-License-Identifier: Apache-2.0
// The authors' checkpoints through the program: files with their names, `module.` in front, beside
// an optimizer and an epoch, zip and legacy, with the weights of the forward goldens. What `cam`
// and `predict` write must be what the network, which agrees with those goldens, gives for the same
// input.
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "i2crc/data/augment.h"
#include "i2crc/image/image_file.h"
#include "i2crc/nn/network.h"
#include "i2crc/nn/state_dict.h"
#include "i2crc/weights/tensor_file.h"
#include "support/formula_weights.h"
#include "support/program.h"
#include "support/test_dirs.h"
#include "support/torch_file_builder.h"

namespace i2crc {
namespace {

using testing::RunProgram;

// The state dict that a golden names, filled by the goldens' formula.
TensorMap FilledState(const std::string& golden) {
  std::ifstream in(testing::SharedPath("goldens/" + golden));
  TensorMap state;
  int64_t k = 0;
  const auto shapes = nlohmann::ordered_json::parse(in);
  for (const auto& [name, shape] : shapes.items())
    state.Add(name, testing::FormulaTensor(name, shape.get<std::vector<int64_t>>(), k++));
  return state;
}

class AuthorsCheckpoints : public ::testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directories(dir_ / "photos");
    ImageU8 rgb(61, 83, 3);
    for (int y = 0; y < rgb.height(); ++y)
      for (int x = 0; x < rgb.width(); ++x)
        for (int c = 0; c < 3; ++c)
          rgb.at(y, x, c) =
              static_cast<uint8_t>((x * (c + 2) + y * 5 + (x / 9 + y / 7) % 2 * 90) % 256);
    WriteRgbPng(dir_ / "photos/a.png", rgb);
    rgb_ = rgb;
    testing::WriteBytes(dir_ / "list.txt", "a 3 17\n");
  }

  // [1, 3, H, W] of an image as loader threads make it.
  static at::Tensor Batch(const ImageF32& image) {
    return torch::from_blob(const_cast<float*>(image.data()), {1, image.height(), image.width(), 3},
                            torch::kFloat)
        .permute({0, 3, 1, 2})
        .clone();
  }

  testing::TempDir dir_;
  ImageU8 rgb_;
};

TEST_F(AuthorsCheckpoints, AttentionThroughCam) {
  I2CRC_NEEDS_SHARED("goldens/state_dict_vgg16_attention.json");
  const torch::NoGradGuard no_grad;
  const TensorMap state = FilledState("state_dict_vgg16_attention.json");
  testing::TorchFileBuilder builder;
  builder.prefix = "module.";
  builder.with_optimizer = true;
  builder.Add(state);
  testing::WriteBytes(dir_ / "zip.pth", builder.Zip());
  testing::WriteBytes(dir_ / "legacy.pth", builder.Legacy());

  auto network = MakeNetwork({.arch = "vgg16", .outputs = 20}, 1);
  LoadState(*network, state, "golden");
  network->Eval();
  const at::Tensor expected =
      network->Forward(Batch(AttentionInput(rgb_, 256, Normalisation::kRgb)))[0];
  for (const std::string file : {"zip", "legacy"}) {
    const auto result =
        RunProgram({"cam", "--checkpoint", (dir_ / (file + ".pth")).string(), "--images",
                    (dir_ / "photos").string(), "--list", (dir_ / "list.txt").string(), "--out",
                    (dir_ / file).string(), "--scores"});
    ASSERT_EQ(result.status, 0) << result.err;
    const TensorMap scores = ReadTensorFile(dir_ / file / "a.safetensors");
    ASSERT_EQ(scores.size(), 2u);
    for (const int tag : {3, 17}) {
      const at::Tensor ours = ToTorch(*scores.Find(std::to_string(tag)));
      EXPECT_LT((ours - expected[tag]).abs().max().item<double>(),
                1e-4 * expected.abs().max().item<double>());
      const ImageU8 map = ReadGrey(dir_ / file / ("a_" + std::to_string(tag) + ".png"));
      EXPECT_EQ(map.height(), 61);
      EXPECT_EQ(map.width(), 83);
    }
  }
}

TEST_F(AuthorsCheckpoints, SegmentationThroughPredictInBgr) {
  I2CRC_NEEDS_SHARED("goldens/state_dict_deeplabv2_resnet101_msc.json");
  const torch::NoGradGuard no_grad;
  const TensorMap state = FilledState("state_dict_deeplabv2_resnet101_msc.json");
  testing::TorchFileBuilder builder;
  builder.prefix = "module.";
  builder.Add(state);
  testing::WriteBytes(dir_ / "seg.pth", builder.Zip());
  const auto result = RunProgram({"predict", "--checkpoint", (dir_ / "seg.pth").string(),
                                  "--images", (dir_ / "photos").string(), "--out",
                                  (dir_ / "out").string(), "--probabilities", "--overlay"});
  ASSERT_EQ(result.status, 0) << result.err;

  auto network = MakeNetwork({.arch = "deeplab-resnet101", .outputs = 21, .multi_scale = true}, 1);
  LoadState(*network, state, "golden");
  network->Eval();
  ImageF32 bgr = ToFloat(rgb_);
  Normalise(bgr, Normalisation::kBgr);
  const at::Tensor expected =
      at::upsample_bilinear2d(network->Forward(Batch(bgr)), {61, 83}, false).softmax(1)[0];
  const TensorMap stored = ReadTensorFile(dir_ / "out/a.safetensors");
  const at::Tensor ours = ToTorch(*stored.Find("probability"));
  ASSERT_EQ(ours.sizes(), expected.sizes());
  EXPECT_EQ(stored.Find("probability")->dtype, DType::kF16);
  EXPECT_LT((ours - expected).abs().max().item<double>(), 1e-3);  // f16 keeps 11 bits
  const ImageU8 mask = ReadMask(dir_ / "out/a.png");
  EXPECT_EQ(mask.pixels(), rgb_.pixels());
  EXPECT_TRUE(std::filesystem::exists(dir_ / "out/a_overlay.jpg"));
}

}  // namespace
}  // namespace i2crc
