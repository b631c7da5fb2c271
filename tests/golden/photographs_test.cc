// SPDX-License-Identifier: Apache-2.0
// A few real photographs through every stage of the program, with ImageNet weights and a real
// detector: no figure is expected of so few steps, but every stage must do its work and leave what
// the next one needs.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "i2crc/image/image_file.h"
#include "support/program.h"
#include "support/test_dirs.h"

namespace i2crc {
namespace {

using testing::ReadBytes;
using testing::RunProgram;
using testing::SharedPath;

TEST(Photographs, GoThroughEveryStage) {
  I2CRC_NEEDS_SHARED("data/voc-animals");
  I2CRC_NEEDS_SHARED("weights/resnet18-imagenet.safetensors");
  I2CRC_NEEDS_SHARED("weights/u2netp.onnx");
  testing::TempDir dir;
  const std::string data = SharedPath("data/voc-animals").string();
  const std::string weights = SharedPath("weights/resnet18-imagenet.safetensors").string();
  testing::WriteBytes(
      dir / "train.txt",
      "2007_000528 7\n2007_000549 7\n2007_001764 9\n2008_000973 11\n2007_002273 12 14\n");
  testing::WriteBytes(dir / "val.txt", "2007_000464\n2007_000175\n");
  testing::WriteBytes(dir / "run.toml",
                      "[run]\nrecipe = 'paper'\nout = 'run'\nimages = '" + data +
                          "/JPEGImages'\ntrain = 'train.txt'\nval = 'val.txt'\ntruth = '" + data +
                          "/SegmentationClass'\n[saliency]\nmodel = '" +
                          SharedPath("weights/u2netp.onnx").string() +
                          "'\n[train-cls]\narch = 'resnet18'\nweights = '" + weights +
                          "'\nepochs = 12\nlr = 0.01\ninput-size = 128\n[train-seg]\narch = "
                          "'deeplab-resnet18'\nweights = '" +
                          weights + "'\nmsc = false\ncrop = 97\niterations = 4\naccumulate = 1\n");
  const auto result = RunProgram({"run", "--config", (dir / "run.toml").string()});
  ASSERT_EQ(result.status, 0) << result.err;
  for (const std::string stage : {"saliency", "train-cls", "cam", "label", "train-seg-1",
                                  "predict-train", "refine", "train-seg-2", "predict-val", "eval"})
    EXPECT_TRUE(std::filesystem::exists(dir / "run" / stage / "stage.json")) << stage;
  const ImageU8 ready = ReadGrey(data + "/Saliency/2007_000528.png");
  const ImageU8 made = ReadGrey(dir / "run/saliency/2007_000528.png");
  ASSERT_TRUE(made.SameSize(ready));
  size_t far = 0;
  for (size_t i = 0; i < made.size(); ++i)
    far += std::abs(made.values()[i] - ready.values()[i]) > 2;
  EXPECT_LT(static_cast<double>(far), 0.01 * static_cast<double>(made.size()));
  const auto scores = nlohmann::json::parse(ReadBytes(dir / "run/cam/scores.json"));
  EXPECT_GT(scores["mean_iou"].get<double>(), 0.15);  // five images, sixty steps: far from nothing
}

}  // namespace
}  // namespace i2crc
