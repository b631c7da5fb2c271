// SPDX-License-Identifier: Apache-2.0
// How the program is asked: commands, flags, help.
#include <algorithm>
#include <sstream>

#include "support/scenes_world.h"

namespace fs = std::filesystem;

namespace i2crc::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

const Arguments kCommands = {"saliency", "train-cls", "cam",    "label",  "train-seg",
                             "predict",  "crf",       "refine", "choose", "eval",
                             "weights",  "synth",     "run",    "demo",   "objects"};

class UsageTest : public ProgramTest {};

TEST_F(UsageTest, Overview) {
  const ProgramResult help = Run({"--help"});
  EXPECT_EQ(help.status, 0);
  EXPECT_EQ(help.err, "");
  for (const std::string& command : kCommands)
    EXPECT_THAT(help.out, HasSubstr("\n  " + command + " "));
  const ProgramResult nothing = Run({});
  EXPECT_EQ(nothing.status, 2);
  EXPECT_EQ(nothing.err, help.out);
  EXPECT_THAT(Run({"--version"}).out, StartsWith("i2crc "));
}

TEST_F(UsageTest, HelpOfEveryCommand) {
  for (const std::string& command : kCommands) {
    const ProgramResult help = Run({command, "--help"});
    EXPECT_EQ(help.status, 0) << command;
    EXPECT_EQ(help.err, "") << command;
    EXPECT_THAT(help.out, HasSubstr("i2crc " + command)) << command;
    EXPECT_THAT(help.out, HasSubstr("--config")) << command;
    std::istringstream lines(help.out);
    for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 120u) << line;
  }
  // Also where the rest would be refused.
  EXPECT_EQ(Run({"cam", "--epochs", "-h"}).status, 2);
  EXPECT_EQ(Run({"cam", "--scales", "0", "--help"}).status, 0);
}

// What needs no network must not wait for libtorch and OpenCV to be loaded.
TEST_F(UsageTest, TheProgramItselfIsLight) {
  const std::string libraries = Run({}, {.env = {{"LD_TRACE_LOADED_OBJECTS", "1"}}}).out;
  EXPECT_THAT(libraries, HasSubstr("libc.so"));
  EXPECT_THAT(libraries, AllOf(Not(HasSubstr("torch")), Not(HasSubstr("opencv"))));
}

TEST_F(UsageTest, WithoutTheProgramForNetworksItDoesTheRest) {
  const fs::path moved = dir_ / "bin" / "i2crc";
  fs::create_directory(dir_ / "bin");
  fs::copy_file(BuiltProgram(), moved);
  EXPECT_EQ(Run({"predict", "--help"}, {.program = moved}).status, 0);
  EXPECT_EQ(Run({"weights", "inspect", ScenesWorld::Get().attention().string()}, {.program = moved})
                .status,
            0);
  ExpectRefused(Cam(), "bin/libexec/i2crc/i2crc-network is not there", {.program = moved});
  // Installed: bin beside libexec.
  fs::create_directories(dir_ / "libexec/i2crc");
  fs::create_symlink(BuiltProgram().parent_path() / "libexec/i2crc/i2crc-network",
                     dir_ / "libexec/i2crc/i2crc-network");
  EXPECT_EQ(Run(Cam(), {.program = moved}).status, 0);
}

TEST_F(UsageTest, UnknownCommand) {
  ExpectRefused({"predit", "--out", "out"}, "unknown command 'predit'; did you mean 'predict'?");
  ExpectRefused({"xyzzy"}, "unknown command 'xyzzy'; i2crc --help lists them");
  ExpectRefused({"--images", "s"}, "unknown command '--images'");
}

TEST_F(UsageTest, Flags) {
  ExpectRefused(Cam() + Arguments{"--scale", "1"},
                "unknown option '--scale' (argument 9); did you mean '--scales'?");
  ExpectRefused(TrainCls() + Arguments{"--iterations", "5"},
                "unknown option '--iterations' (argument 19)");
  ExpectRefused(Cam() + Arguments{"--scales"}, "--scales (argument 9) needs a value");
  ExpectRefused(Cam() + Arguments{"--flip", "--no-flip"}, "--flip and --no-flip exclude");
  ExpectRefused(Cam() + Arguments{"--out", "other"},
                "--out (argument 9) is given for the second time");
  ExpectRefused(Cam() + Arguments{"surplus"}, "unexpected argument 'surplus'");
  ExpectRefused(Cam() + Arguments{"--quiet", "--verbose"}, "--quiet and --verbose exclude");
}

TEST_F(UsageTest, Values) {
  ExpectRefused(TrainCls() + Arguments{"--batch", "0"}, "--batch: 0 is out of range (1 to 4096)");
  ExpectRefused(TrainCls() + Arguments{"--batch", "five"}, "--batch: 'five' is not a whole number");
  ExpectRefused(TrainCls() + Arguments{"--lr", "-1"}, "--lr: -1 is out of range (above 0)");
  ExpectRefused(TrainCls() + Arguments{"--lr", "nan"}, "--lr: nan is out of range");
  ExpectRefused(TrainCls() + Arguments{"--freeze-bn", "aut"}, "did you mean 'auto'?");
  ExpectRefused({"train-seg", "--arch", "deeplab-resnet100"}, "did you mean 'deeplab-resnet101'?");
  ExpectRefused(Cam() + Arguments{"--scales", "1,x"}, "--scales: 'x' is not a number");
  ExpectRefused(Cam() + Arguments{"--scales", ""}, "--scales: an empty list is not enough");
  ExpectRefused(Cam() + Arguments{"--device", "tpu"}, "--device tpu: cpu, cuda or cuda:N");
  ExpectRefused({"cam"}, "--checkpoint is missing");
  ExpectRefused({"cam", "--checkpoint", "x", "--images", ""}, "--images is missing");
}

TEST_F(UsageTest, Folders) {
  Arguments arguments = Predict();
  arguments[4] = "nowhere";
  ExpectRefused(arguments, "--images nowhere: no such folder");
  arguments[4] = "s/train.txt";
  ExpectRefused(arguments, "--images s/train.txt: not a folder");
  arguments = Predict("nowhere.txt");
  ExpectRefused(arguments, "nowhere.txt: No such file or directory");
  for (Arguments command : {Cam(), Predict(), TrainCls(), TrainSeg()}) {
    *(std::find(command.begin(), command.end(), "--out") + 1) = "s/train.txt";
    ExpectRefused(command, "--out s/train.txt: not a folder");
  }
  arguments = Predict();
  arguments.back() = "s/train.txt/below";
  ExpectRefused(arguments, "--out s/train.txt/below: s/train.txt is not a folder");
  // Photographs that are PNG files would be overwritten by their masks.
  arguments.back() = "s/JPEGImages";
  ExpectRefused(arguments, "--out s/JPEGImages: is the folder of --images too");
  arguments = Cam();
  arguments.back() = "s/../s/JPEGImages";
  ExpectRefused(arguments, "is the folder of --images too");
}

TEST_F(UsageTest, ReadOnlyFolders) {
  const std::filesystem::path folder = dir_ / "fixed";
  std::filesystem::create_directory(folder);
  std::filesystem::permissions(folder, std::filesystem::perms::owner_write,
                               std::filesystem::perm_options::remove);
  Arguments predict = Predict();
  predict.back() = "fixed/out";
  const std::vector<Arguments> commands = {
      predict,
      {"synth", "--out", "fixed/new", "--images", "4", "--size", "64"},
      {"demo", "--out", "fixed"},
      {"eval", "--predictions", "s/SegmentationClass", "--truth", "s/SegmentationClass", "--list",
       "s/train.txt", "--classes", "s/classes.txt", "--json", "fixed/e.json"},
      {"weights", "convert", ScenesWorld::Get().attention(), "fixed/new.safetensors"}};
  for (const Arguments& command : commands)
    ExpectRefused(command, ": cannot write: Permission denied", {.obeys_permissions = true});
}

TEST_F(UsageTest, WhatDoesNotReachItsFile) {
  const std::filesystem::path full = "/dev/full";
  if (!std::filesystem::exists(full)) GTEST_SKIP() << "needs /dev/full";
  const ProgramResult result =
      Run({"eval", "--predictions", "s/SegmentationClass", "--truth", "s/SegmentationClass",
           "--list", "s/train.txt", "--classes", "s/classes.txt"},
          {.out = full});
  EXPECT_EQ(result.status, 3);
  EXPECT_THAT(result.err, AllOf(HasSubstr("i2crc: error: "), HasSubstr("stdout"),
                                HasSubstr("No space left on device")));
}

}  // namespace
}  // namespace i2crc::testing
