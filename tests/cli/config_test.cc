// SPDX-License-Identifier: Apache-2.0
// TOML by --config: mistakes with their place, what wins over what, and the way back.
#include <algorithm>
#include <sstream>

#include "support/scenes_world.h"

namespace i2crc::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class ConfigTest : public ProgramTest {
 protected:
  // What a command would do, a line an option; paths left out, which are never defaults, and of a
  // run what is not in [run].
  std::vector<std::string> Settings(Arguments command) {
    const ProgramResult result = Run(command + Arguments{"--print-config"});
    EXPECT_EQ(result.status, 0) << command[0] << ": " << result.err;
    const std::vector<std::string> paths = {"checkpoint", "classes", "images",   "labels",
                                            "list",       "out",     "saliency", "train",
                                            "truth",      "val",     "weights"};
    std::vector<std::string> settings;
    std::istringstream lines(result.out);
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with("[") && line != "[" + command[0] + "]") break;
      const std::string plain = line.starts_with("# ") ? line.substr(2) : line;
      const size_t equals = plain.find(" = ");
      if (equals == std::string::npos ||
          std::find(paths.begin(), paths.end(), plain.substr(0, equals)) != paths.end())
        continue;
      settings.push_back(line);
    }
    return settings;
  }
  void ExpectRefusedConfig(const std::string& text, const std::string& message,
                           const std::string& command = "cam") {
    Write("c.toml", text);
    ExpectRefused({command, "--config", "c.toml"}, message);
  }
};

TEST_F(ConfigTest, MistakesAreNamedWithTheirPlace) {
  ExpectRefusedConfig("[cam]\nflip = true\n  scale = [1]\n",
                      "c.toml:3:3: unknown key 'scale' in [cam]; did you mean 'scales'?");
  ExpectRefusedConfig("[cma]\n", "c.toml:1:2: unknown section 'cma'; did you mean 'cam'?");
  ExpectRefusedConfig("flip = true\n[cam]\n", "c.toml:1:1: key 'flip' stands outside any section");
  ExpectRefusedConfig("[cam]\nscales = 'two'\n",
                      "c.toml:2:10: scales: 'two' is not a list of numbers");
  ExpectRefusedConfig("[cam]\ninput-size = 9999\n",
                      "c.toml:2:14: input-size: 9999 is out of range (0 to 4096)");
  ExpectRefusedConfig("[cam]\nprecision = 'fp8'\n", "c.toml:2:13: precision: 'fp8' is none of");
  ExpectRefusedConfig("[cam]\nflip = tru\n", "c.toml:2:");
  ExpectRefusedConfig("[cam]\nflip = true\nflip = false\n", "c.toml:3:");
  // A slip under [train-seg] is found by the run that would use it.
  ExpectRefusedConfig(
      "[run]\nout = 'out'\nimages = 's/JPEGImages'\nsaliency = 's/Saliency'\n"
      "train = 's/train.txt'\n[train-seg]\niteration = 3\n",
      "c.toml:7:1: unknown key 'iteration' in [train-seg]; did you mean 'iterations'?", "run");
  ExpectRefused({"cam", "--config", "nowhere.toml"}, "nowhere.toml: No such file or directory");
  ExpectRefused({"run", "--out", "out", "--images", "s/JPEGImages", "--train", "s/train.txt"},
                "--config");
}

TEST_F(ConfigTest, FlagsWinOverTomlAndTomlOverDefaults) {
  Write("c.toml",
        "[train-cls]\nlr = 0.25\nepochs = 7\nweights = 'sub/w.pth'\n[cam]\nflip = true\n");
  const ProgramResult both = Run(
      {"train-cls", "--config", "c.toml", "--epochs", "9", "--list", "l.txt", "--print-config"});
  EXPECT_EQ(both.status, 0) << both.err;
  EXPECT_THAT(both.out, AllOf(HasSubstr("\nepochs = 9\n"), HasSubstr("\nlr = 0.25\n"),
                              HasSubstr("\nbatch = 5\n"), HasSubstr("\nlist = \"l.txt\"\n")));
  const ProgramResult off = Run({"cam", "--config", "c.toml", "--no-flip", "--print-config"});
  EXPECT_THAT(off.out, HasSubstr("\nflip = false\n"));
  EXPECT_THAT(Run({"cam", "--config", "c.toml", "--print-config"}).out,
              HasSubstr("\nflip = true\n"));
  // A path of the file is relative to the file, one of a flag to where the program stands.
  Write("deep/c.toml", ReadBytes(dir_ / "c.toml"));
  EXPECT_THAT(Run({"train-cls", "--config", "deep/c.toml", "--print-config"}).out,
              HasSubstr("\nweights = \"deep/sub/w.pth\"\n"));
}

// configs/voc12.toml writes the paper's recipe out: the defaults are that recipe, and stay it.
TEST_F(ConfigTest, TheDefaultsAreThePapers) {
  const std::string config = std::string(I2CRC_CONFIGS) + "/voc12.toml";
  std::vector<std::string> commands;
  std::istringstream lines(ReadBytes(config));
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with("[") && line.ends_with("]"))
      commands.push_back(line.substr(1, line.size() - 2));
  ASSERT_THAT(commands, ::testing::IsSupersetOf({"run", "train-cls", "cam", "train-seg"}));
  size_t compared = 0;
  for (const std::string& command : commands) {
    const auto given = Settings({command, "--config", config});
    // Which recipe it is, is all that has to be said.
    const Arguments said = command == "run" ? Arguments{"--recipe", "paper"} : Arguments{};
    EXPECT_EQ(given, Settings(Arguments{command} + said)) << command;
    compared += given.size();
  }
  EXPECT_GT(compared, 50u);
}

TEST_F(ConfigTest, WhatIsPrintedCanBeReadBack) {
  const std::vector<Arguments> commands = {
      {"saliency", "--input-size", "64", "--list", "l \"x\".txt"},
      {"train-cls", "--lr-milestones", "1,2.5", "--lr", "1e-5"},
      {"cam", "--scales", "0.5,1", "--flip", "--precision", "bf16"},
      {"label", "--cams", "a\\b"},
      {"train-seg", "--no-msc", "--polynomial-end", "5"},
      {"predict", "--overlay"},
      {"refine"},
      {"choose", "--decide-ignored"},
      {"eval", "--min-miou", "12.5"},
      {"synth", "--seed", "9007199254740993"},
      {"demo"}};
  for (const Arguments& command : commands) {
    const ProgramResult first = Run(command + Arguments{"--print-config"});
    ASSERT_EQ(first.status, 0) << command[0] << first.err;
    Write("printed.toml", first.out);
    const ProgramResult again = Run({command[0], "--config", "printed.toml", "--print-config"});
    EXPECT_EQ(again.status, 0) << command[0] << again.err;
    EXPECT_EQ(again.out, first.out) << command[0];
  }
}

TEST_F(ConfigTest, TheFileRunsTheCommand) {
  const ScenesWorld& world = ScenesWorld::Get();
  Write("c.toml", "[predict]\ncheckpoint = '" + world.segmentation().string() +
                      "'\nimages = 's/JPEGImages'\nlist = 's/val.txt'\nout = 'out'\n"
                      "[train-cls]\nepochs = 3\n");
  const ProgramResult result = Run({"predict", "--config", "c.toml", "--quiet"});
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(result.err, "");
  EXPECT_EQ(Files("out").size(), 4u);
}

TEST_F(ConfigTest, RunRefusesBeforeItWrites) {
  const std::string head = "[run]\nout = 'out'\nimages = 's/JPEGImages'\ntrain = 's/train.txt'\n";
  const std::string whole = head + "saliency = 's/Saliency'\nclasses = 's/classes.txt'\n";
  const auto refused = [&](const std::string& text, const std::string& message) {
    ExpectRefusedConfig(text, message, "run");
  };
  refused(head, "neither is given");
  refused(head + "saliency = 'nowhere'\n", "nowhere: no such folder");
  refused(head + "saliency = 's/Saliency'\nclasses = 's/train.txt'\n",
          "s/train.txt:1: the line is a class name too; is the list given as --classes?");
  refused(whole + "[train-cls]\nweights = 'none.pth'\n", "none.pth: No such file or directory");
  refused(whole + "[cam]\nout = 'else'\n", "[cam] out is decided by the run");
  refused(whole + "truth = 'none'\n", "none: no such folder");
  refused("[run]\nout = 'out'\nimages = 's/JPEGImages'\n", "--train is missing");
  // A photograph or map that is missing at the end of hours of work would be found too late.
  Write("absent.txt", "absent 0\n");
  const std::string absent =
      "[run]\nout = 'out'\nimages = 's/JPEGImages'\nsaliency = 's/Saliency'\n";
  refused(absent + "train = 'absent.txt'\n", "s/JPEGImages/absent");
  refused(whole + "val = 'absent.txt'\n", "s/JPEGImages/absent");
  Write("c.toml", whole);
  ExpectRefused({"run", "--config", "c.toml", "--from", "camera"}, "'camera' is no stage");
  ExpectRefused({"run", "--config", "c.toml", "--from", "refine", "--to", "cam"},
                "--from refine comes after --to cam");
  ExpectRefused({"run", "--config", "c.toml", "--from", "cam"},
                "--from cam: train-cls was not done");
  const ProgramResult dry = Run({"run", "--config", "c.toml", "--dry-run"});
  EXPECT_EQ(dry.status, 0) << dry.err;
  EXPECT_THAT(dry.out, AllOf(HasSubstr("train-seg-2"), Not(HasSubstr("predict-val"))));
  EXPECT_EQ(Files("out").size(), 0u);
}

}  // namespace
}  // namespace i2crc::testing
