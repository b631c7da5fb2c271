// SPDX-License-Identifier: Apache-2.0
#include "i2crc/options/toml_file.h"

#include <gtest/gtest.h>

#include "i2crc/core/error.h"
#include "i2crc/options/example_options.h"
#include "support/test_dirs.h"

namespace i2crc {
namespace {

using testing::ExampleOptions;

// The message that reading the text and applying [cam] gives, "" where all is well.
std::string ErrorOf(const std::string& text, ExampleOptions* values = nullptr) {
  ExampleOptions unused;
  OptionSet set = (values == nullptr ? unused : *values).Describe();
  try {
    const TomlFile file = TomlFile::Parse(text, "a.toml", "configs");
    file.CheckSections({"cam", "train-cls"});
    file.Apply("cam", set);
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

TEST(TomlFile, EveryTypeIsTakenAndPathsAreRelativeToTheFile) {
  ExampleOptions values;
  EXPECT_EQ(ErrorOf("[cam]\nimages = '../voc'\nweights = ''\narch = 'resnet18'\nepochs = 6\n"
                    "seed = 7\nlr = 1\noffset = -2.5\nmsc = false\nscales = [1, 0.5]\n"
                    "[train-cls]\nwhatever = 1\n",
                    &values),
            "");
  EXPECT_EQ(values.images, "voc");
  EXPECT_EQ(values.weights, "");
  EXPECT_EQ(values.arch, "resnet18");
  EXPECT_EQ(values.epochs, 6);
  EXPECT_EQ(values.seed, 7u);
  EXPECT_EQ(values.lr, 1.0);
  EXPECT_EQ(values.offset, -2.5);
  EXPECT_FALSE(values.msc);
  EXPECT_EQ(values.scales, (std::vector<double>{1, 0.5}));
}

TEST(TomlFile, NoSectionSetsNothing) {
  ExampleOptions values;
  EXPECT_EQ(ErrorOf("[train-cls]\nepochs = 1\n", &values), "");
  EXPECT_EQ(values.epochs, 30);
  EXPECT_FALSE(TomlFile::Parse("cam = 1", "a.toml", "").HasSection("cam"));
  EXPECT_TRUE(TomlFile::Parse("[cam]", "a.toml", "").HasSection("cam"));
}

TEST(TomlFile, UnknownNamesAreErrorsWithPositionAndTheNearestName) {
  EXPECT_EQ(ErrorOf("[cam]\n\n  epoch = 1\n"),
            "a.toml:3:3: unknown key 'epoch' in [cam]; did you mean 'epochs'?");
  EXPECT_EQ(ErrorOf("[cam]\nzzzzzz = 1\n"), "a.toml:2:1: unknown key 'zzzzzz' in [cam]");
  EXPECT_EQ(ErrorOf("[train-clss]\n"),
            "a.toml:1:2: unknown section 'train-clss'; did you mean 'train-cls'?");
  EXPECT_EQ(ErrorOf("[[came]]\n"), "a.toml:1:3: unknown section 'came'; did you mean 'cam'?");
  EXPECT_EQ(ErrorOf("epochs = 1\n[cam]\n"), "a.toml:1:1: key 'epochs' stands outside any section");
  EXPECT_EQ(ErrorOf("[cam]\n\"a\\nb\" = 1\n"), "a.toml:2:1: unknown key 'a\\nb' in [cam]");
}

TEST(TomlFile, TheFirstMistakeInTheFileIsTheOneNamed) {
  EXPECT_EQ(ErrorOf("[cam]\nwrong = 1\nalso-wrong = 1\n"),
            "a.toml:2:1: unknown key 'wrong' in [cam]");
}

TEST(TomlFile, WrongValuesAreErrorsWithPosition) {
  EXPECT_EQ(ErrorOf("[cam]\nepochs = 'x'\n"), "a.toml:2:10: epochs: 'x' is not a whole number");
  EXPECT_EQ(ErrorOf("[cam]\nepochs = 1.0\n"), "a.toml:2:10: epochs: 1 is not a whole number");
  EXPECT_EQ(ErrorOf("[cam]\nlr = -1\n"), "a.toml:2:6: lr: -1 is out of range (above 0)");
  EXPECT_EQ(ErrorOf("[cam]\nlr = nan\n"), "a.toml:2:6: lr: nan is out of range (finite, above 0)");
  EXPECT_EQ(ErrorOf("[cam]\narch = 'vgg'\n"),
            "a.toml:2:8: arch: 'vgg' is none of vgg16, resnet18, resnet50; did you mean 'vgg16'?");
  EXPECT_EQ(ErrorOf("[cam]\nepochs = 2020-01-01\n"), "a.toml:2:10: epochs: takes no date or time");
  EXPECT_EQ(ErrorOf("[cam]\nscales = [1, 12:00:00]\n"),
            "a.toml:2:14: scales: takes no date or time");
  EXPECT_EQ(ErrorOf("[cam]\nscales = [[1]]\n"), "a.toml:2:10: scales: a list is not a number");
  EXPECT_EQ(ErrorOf("[cam]\nscales = []\n"), "a.toml:2:10: scales: an empty list is not enough");
  EXPECT_EQ(ErrorOf("[cam.epochs]\nx = 1\n"), "a.toml:1:1: epochs: a table is not a whole number");
  EXPECT_EQ(ErrorOf("[cam]\nepochs.x = 1\n"), "a.toml:2:1: epochs: a table is not a whole number");
}

TEST(TomlFile, ASectionIsOneTable) {
  EXPECT_EQ(ErrorOf("[[cam]]\n"), "a.toml:1:3: 'cam' is a section, write [cam] and its keys below");
  EXPECT_EQ(ErrorOf("cam = 3\n"), "a.toml:1:1: 'cam' is a section, write [cam] and its keys below");
}

TEST(TomlFile, WhatIsNotTomlIsAnErrorWithPositionOnOneLine) {
  for (const char* text : {"[cam\n", "[cam]\nepochs = \n", "[cam]\nlr = 1\nlr = 2\n",
                           "[cam]\ntitle = \"\xff\"\n", "[cam]\ntitle = \"a\nb\"\n",
                           "[cam]\n\xc3\xa9 = 1\n", "[cam]\nseed = 9223372036854775808\n"}) {
    const std::string message = ErrorOf(text);
    EXPECT_TRUE(message.starts_with("a.toml:")) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    EXPECT_GT(message.size(), 20u) << message;
  }
}

TEST(TomlFile, Utf16IsNamed) {
  const std::string text = "[cam]\n";
  std::string little_endian = "\xff\xfe", big_endian;
  for (const char c : text) {
    little_endian += {c, '\0'};
    big_endian += {'\0', c};
  }
  for (const std::string& file : {little_endian, little_endian.substr(2), big_endian})
    EXPECT_EQ(ErrorOf(file), "a.toml: is UTF-16 text; save it as UTF-8");
}

// Both ran the parser, or the destruction of what it built, into the end of the stack.
TEST(TomlFile, DeepNestingIsRefused) {
  std::string dots = "a";
  for (int i = 0; i < 100000; ++i) dots += ".a";
  EXPECT_NE(ErrorOf("[cam]\n" + dots + " = 1\n").find("a.toml:2:"), std::string::npos);
  EXPECT_NE(ErrorOf("[cam]\nscales = " + std::string(100000, '[')).find("a.toml:2:"),
            std::string::npos);
  EXPECT_EQ(ErrorOf(std::string((1 << 20) + 1, '\n')), "a.toml: larger than 1048576 bytes");
}

TEST(TomlFile, FilesAreReadAndMissingOnesNamed) {
  testing::TempDir dir;
  testing::WriteBytes(dir / "c.toml", "[cam]\nimages = 'x'\n");
  ExampleOptions values;
  OptionSet set = values.Describe();
  const TomlFile file = TomlFile::Read(dir / "c.toml");
  file.Apply("cam", set);
  EXPECT_EQ(values.images, dir / "x");
  EXPECT_EQ(file.path(), dir / "c.toml");
  try {
    TomlFile::Read(dir / "none.toml");
    FAIL() << "read a file that is not there";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("none.toml: No such file"), std::string::npos);
  }
}

}  // namespace
}  // namespace i2crc
