// SPDX-License-Identifier: Apache-2.0
// No room to write: what is finished stays, every file is whole, and nothing is left aside.
#include <sys/mount.h>

#include <algorithm>

#include "i2crc/image/image_file.h"
#include "i2crc/saliency/made_onnx.h"
#include "i2crc/weights/tensor_file.h"
#include "support/scenes_world.h"

namespace fs = std::filesystem;

namespace i2crc::testing {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

class FullDiskTest : public ProgramTest {
 protected:
  // No file may grow beyond so many bytes.
  void ExpectTooLarge(const Arguments& arguments, uint64_t bytes, const std::string& file) {
    ProgramOptions options;
    options.file_bytes = bytes;
    ExpectFailed(arguments, file + ": cannot write: File too large", std::move(options));
  }
};

TEST_F(FullDiskTest, Masks) {
  ExpectTooLarge(Predict() + Arguments{"--probabilities"}, 20000, "out/scene_00000.safetensors");
  EXPECT_EQ(Files("out").size(), 0u);
  ExpectTooLarge(Predict(), 500, "out/scene_00000.png");
  EXPECT_EQ(Files("out").size(), 0u);
  ExpectTooLarge(Cam() + Arguments{"--scores"}, 100, "out/scene_00000_1.png");
  Write("m.onnx", RedDetector({1, 3, 16, 16}));
  fs::remove_all(dir_ / "out");
  ExpectTooLarge({"saliency", "--model", "m.onnx", "--images", "s/JPEGImages", "--out", "out"}, 100,
                 "out/scene_00000.png");
  EXPECT_EQ(Files("out").size(), 0u);
}

TEST_F(FullDiskTest, Trainings) {
  for (const Arguments& training : {TrainCls(), TrainSeg()}) {
    ExpectTooLarge(training, 20000, "out/training-state.safetensors");
    EXPECT_THAT(Files("out"), Not(Contains("checkpoint.safetensors")));
    fs::remove_all(dir_ / "out");
  }
  Arguments longer = TrainCls();
  *(std::find(longer.begin(), longer.end(), "--epochs") + 1) = "20";
  ExpectTooLarge(longer, 2000, "out/metrics.jsonl");
  EXPECT_THAT(ReadBytes(dir_ / "out/metrics.jsonl"), ::testing::EndsWith("}\n"));
  fs::remove_all(dir_ / "out");
  // The next attempt goes on from what stands.
  ASSERT_EQ(Run(TrainCls()).status, 0);
  const std::string checkpoint = ReadBytes(dir_ / "out/checkpoint.safetensors");
  fs::remove(dir_ / "out/checkpoint.safetensors");
  const ProgramResult again = Run(TrainCls());
  EXPECT_EQ(again.status, 0) << again.err;
  EXPECT_TRUE(ReadBytes(dir_ / "out/checkpoint.safetensors") == checkpoint);
}

TEST_F(FullDiskTest, OtherCommands) {
  ExpectTooLarge({"synth", "--out", "new", "--images", "4", "--size", "64"}, 1000,
                 "new/JPEGImages/scene_00000.jpg");
  ExpectTooLarge({"weights", "convert", ScenesWorld::Get().attention(), "new.safetensors"}, 20000,
                 "new.safetensors");
  EXPECT_FALSE(fs::exists(dir_ / "new.safetensors"));
  ExpectTooLarge({"eval", "--predictions", "s/SegmentationClass", "--truth", "s/SegmentationClass",
                  "--list", "s/train.txt", "--classes", "s/classes.txt", "--json", "scores.json"},
                 300, "scores.json");
  EXPECT_FALSE(fs::exists(dir_ / "scores.json"));
  ExpectTooLarge(
      {"refine", "--predictions", "s/SegmentationClass", "--labels", "s/SegmentationClass",
       "--list", "s/train.txt", "--classes", "s/classes.txt", "--out", "out"},
      100, "out/scene_00000.png");
  EXPECT_EQ(Files("out").size(), 0u);
}

TEST_F(FullDiskTest, AFileSystemThatFillsUp) {
  fs::create_directory(dir_ / "out");
  if (mount("tmpfs", (dir_ / "out").c_str(), "tmpfs", 0, "size=64k") != 0)
    GTEST_SKIP() << "needs the right to mount a small file system";
  const ProgramResult result =
      ExpectFailed(Predict() + Arguments{"--probabilities"}, "No space left on device");
  const std::vector<std::string> files = Files("out");
  EXPECT_THAT(files, Contains(HasSubstr(".safetensors")));
  EXPECT_LT(files.size(), 2 * TrainIds().size());
  for (const std::string& file : files) {
    if (file.ends_with(".png")) {
      EXPECT_EQ(ReadMask(dir_ / "out" / file).height(), 64) << file;
    } else {
      const TensorMap tensors = ReadTensorFile(dir_ / "out" / file);
      EXPECT_EQ(tensors.items()[0].second.shape, (std::vector<int64_t>{7, 64, 64})) << file;
    }
  }
  EXPECT_EQ(umount((dir_ / "out").c_str()), 0);
}

}  // namespace
}  // namespace i2crc::testing
