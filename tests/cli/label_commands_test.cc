// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "i2crc/image/image_file.h"
#include "i2crc/weights/tensor_file.h"
#include "support/program.h"
#include "support/test_dirs.h"

// label, refine, eval, weights and synth through the program: exit status, stdout and stderr.

namespace fs = std::filesystem;

namespace i2crc {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::ProgramResult;
using testing::ReadBytes;
using testing::RunProgram;
using testing::TempDir;
using testing::WriteBytes;

class LabelCommandsTest : public ::testing::Test {
 protected:
  LabelCommandsTest() {
    for (const char* folder : {"cams", "saliency", "masks"}) fs::create_directory(dir_ / folder);
    for (const char* id : {"a", "b"}) {
      const std::string name = std::string(id) + ".png";
      WriteGreyPng(dir_ / "saliency" / name, Half(255));
      WriteGreyPng(dir_ / "cams" / (std::string(id) + "_4.png"), Half(255));
      WriteMaskPng(dir_ / "masks" / name, Half(5), VocPalette());
    }
    WriteBytes(dir_ / "list.txt", "a 4\nb bottle 6\n");
  }

  static ImageU8 Half(uint8_t value) {
    ImageU8 image(10, 10, 1);
    for (int y = 0; y < 10; ++y)
      for (int x = 0; x < 5; ++x) image.at(y, x) = value;
    return image;
  }

  ProgramResult Run(const std::vector<std::string>& arguments) {
    return RunProgram(arguments, {.cwd = dir_.path()});
  }
  ProgramResult RunLabel(const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments = {"label",  "--cams",   "cams",  "--saliency", "saliency",
                                          "--list", "list.txt", "--out", "out"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return Run(arguments);
  }
  ProgramResult RunEval(const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments = {"eval",  "--predictions", "out",     "--truth",
                                          "masks", "--list",        "list.txt"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return Run(arguments);
  }
  void ExpectRefused(const ProgramResult& result, const std::string& message) {
    EXPECT_EQ(result.status, 2);
    EXPECT_THAT(result.err, HasSubstr(message));
    EXPECT_EQ(result.out, "");
    EXPECT_FALSE(fs::exists(dir_ / "out"));
  }

  TempDir dir_;
};

TEST_F(LabelCommandsTest, LabelRefineEval) {
  const ProgramResult label = RunLabel();
  EXPECT_EQ(label.status, 0);
  EXPECT_THAT(label.err, HasSubstr("label: 2 masks in out; 0.00 % of the pixels ignored, 0 masks "
                                   "wholly; 1 tags without a map passed over"));
  EXPECT_THAT(label.err, Not(HasSubstr("b_6.png")));
  EXPECT_THAT(RunLabel({"--verbose"}).err, HasSubstr("cams/b_6.png: not there"));
  EXPECT_EQ(ReadMask(dir_ / "out/a.png"), Half(5));

  const ProgramResult eval = RunEval({"--json", "scores.json", "--min-miou", "100"});
  EXPECT_EQ(eval.status, 0) << eval.err;
  EXPECT_THAT(eval.out, AllOf(HasSubstr("bottle"), HasSubstr("mIoU 100.00 %")));
  EXPECT_EQ(nlohmann::json::parse(ReadBytes(dir_ / "scores.json"))["mean_iou"], 1.0);

  const ProgramResult refine = Run({"refine", "--predictions", "masks", "--labels", "out", "--list",
                                    "list.txt", "--out", "refined"});
  EXPECT_EQ(refine.status, 0) << refine.err;
  EXPECT_THAT(refine.err, HasSubstr("refine: 2 masks in refined"));
  // Tag 6 of b is lost, so its background is in doubt.
  EXPECT_EQ(ReadMask(dir_ / "refined/a.png"), Half(5));
  EXPECT_EQ(ReadMask(dir_ / "refined/b.png").at(0, 9), 255);
}

TEST_F(LabelCommandsTest, EvalOfAttentionMaps) {
  const ProgramResult eval =
      Run({"eval", "--cams", "cams", "--truth", "masks", "--list", "list.txt"});
  EXPECT_EQ(eval.status, 0) << eval.err;
  EXPECT_THAT(eval.out, AllOf(HasSubstr("mIoU % by threshold"), HasSubstr("\n0.9  100.00"),
                              HasSubstr("mIoU 100.00 % at threshold 0.01\n")));
  EXPECT_THAT(eval.err, HasSubstr("1 of 3 tags have no map and count as 0"));
}

TEST_F(LabelCommandsTest, EvalBelowItsThreshold) {
  ASSERT_EQ(RunLabel().status, 0);
  WriteMaskPng(dir_ / "masks/b.png", Half(6), VocPalette());
  const ProgramResult eval = RunEval({"--min-miou", "80"});
  EXPECT_EQ(eval.status, 1);
  EXPECT_THAT(eval.err, HasSubstr("is below --min-miou 80"));
  EXPECT_THAT(eval.out, HasSubstr("mIoU"));
}

TEST_F(LabelCommandsTest, LeftOutImagesAreStatus1) {
  ASSERT_EQ(RunLabel().status, 0);
  fs::remove(dir_ / "out/b.png");
  EXPECT_EQ(RunEval().status, 2);
  const ProgramResult eval = RunEval({"--on-error", "skip"});
  EXPECT_EQ(eval.status, 1);
  EXPECT_THAT(eval.err, AllOf(HasSubstr("left out: out/b.png: prediction is missing"),
                              HasSubstr("1 left out")));
}

TEST_F(LabelCommandsTest, RefusalsBeforeWork) {
  ExpectRefused(RunLabel({"--conflict", "2"}), "--conflict: 2 is out of range (0 to 1)");
  ExpectRefused(RunLabel({"--dubt", "2"}),
                "unknown option '--dubt' (argument 9); did you mean '--doubt'?");
  WriteGreyPng(dir_ / "cams/b_4.png", ImageU8(9, 10, 1));
  ExpectRefused(RunLabel(),
                "cams/b_4.png: attention map is 10x9, its saliency map saliency/b.png is 10x10");
  fs::remove(dir_ / "saliency/b.png");
  ExpectRefused(RunLabel(), "saliency/b.png: saliency map is missing");
  WriteBytes(dir_ / "list.txt", "../a 4\n");
  ExpectRefused(RunLabel(), "list.txt:1: the ID '../a' leaves the folder of images");
}

TEST_F(LabelCommandsTest, DamageFoundDuringWorkIsStatus3) {
  WriteBytes(dir_ / "saliency/b.png", ReadBytes(dir_ / "saliency/b.png").substr(0, 50));
  const ProgramResult label = RunLabel();
  EXPECT_EQ(label.status, 3);
  EXPECT_THAT(label.err, HasSubstr("saliency/b.png: "));
  EXPECT_EQ(ReadMask(dir_ / "out/a.png"), Half(5));
}

TEST_F(LabelCommandsTest, Weights) {
  TensorMap tensors;
  const std::vector<float> values = {1, 2, 3};
  tensors.Add("conv.weight", Tensor::FromF32({3}, values));
  tensors.metadata["note"] = "kept";
  WriteSafetensors(dir_ / "in.safetensors", tensors);
  const ProgramResult inspect = Run({"weights", "inspect", "in.safetensors"});
  EXPECT_EQ(inspect.status, 0) << inspect.err;
  EXPECT_THAT(inspect.out, AllOf(HasSubstr("in.safetensors: safetensors\n"),
                                 HasSubstr("note: kept"), HasSubstr("conv.weight")));
  const ProgramResult convert = Run({"weights", "convert", "in.safetensors", "new.safetensors"});
  EXPECT_EQ(convert.status, 0) << convert.err;
  EXPECT_THAT(convert.err, HasSubstr("1 tensors, 12 bytes, in new.safetensors"));
  EXPECT_EQ(ReadBytes(dir_ / "new.safetensors"), ReadBytes(dir_ / "in.safetensors"));
}

TEST_F(LabelCommandsTest, WeightsRefusals) {
  WriteSafetensors(dir_ / "in.safetensors", TensorMap());
  ExpectRefused(Run({"weights"}), "inspect|convert is missing");
  ExpectRefused(Run({"weights", "inspect"}), "FILE is missing");
  ExpectRefused(Run({"weights", "inspct", "x"}), "did you mean 'inspect'?");
  ExpectRefused(Run({"weights", "inspect", "nowhere.pth"}), "nowhere.pth: ");
  ExpectRefused(Run({"weights", "inspect", "in.safetensors", "out"}), "unexpected argument 'out'");
  ExpectRefused(Run({"weights", "convert", "in.safetensors"}), "OUT is missing");
  ExpectRefused(Run({"weights", "convert", "in.safetensors", "out"}), "must end in .safetensors");
  ExpectRefused(Run({"weights", "convert", "in.safetensors", "./in.safetensors"}),
                "would be overwritten by its own conversion");
}

TEST_F(LabelCommandsTest, Synth) {
  const std::vector<std::string> arguments = {"synth", "--images", "12", "--size",
                                              "48",    "--seed",   "3",  "--out"};
  for (const char* threads : {"1", "3"}) {
    std::vector<std::string> all = arguments;
    all.insert(all.end(), {std::string("scenes_") + threads, "--threads", threads});
    const ProgramResult synth = Run(all);
    EXPECT_EQ(synth.status, 0) << synth.err;
    EXPECT_THAT(synth.err, HasSubstr("synth: 9 scenes for training, 3 for validation"));
  }
  for (const char* name : {"train.txt", "val.txt", "classes.txt", "JPEGImages/scene_00000.jpg"})
    EXPECT_EQ(ReadBytes(dir_ / "scenes_1" / name), ReadBytes(dir_ / "scenes_3" / name)) << name;
  ExpectRefused(Run({"synth", "--out", "out", "--size", "1"}), "--size: 1 is out of range");
}

}  // namespace
}  // namespace i2crc
