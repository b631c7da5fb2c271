// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>

#include "i2crc/options/command_line.h"
#include "i2crc/options/example_options.h"
#include "i2crc/options/toml_file.h"

namespace i2crc {
namespace {

using testing::ExampleOptions;

TEST(HelpText, ColumnsGroupsDefaultsRangesAndChoices) {
  ExampleOptions values;
  const OptionSet set = values.Describe();
  EXPECT_EQ(HelpText({"cam", "Make attention maps", "Two\nlines.", {"FILE"}}, set),
            R"(Usage: i2crc cam FILE [options]

Make attention maps

Two
lines.

Options:
  --images DIR             Folder of photographs (required)
  --weights FILE           Weights to start from
  --arch NAME              Network (vgg16, resnet18, resnet50; default vgg16)
  --title TEXT             Words for the report
  --offset X               A number without a range (default 0)
  --msc, --no-msc          Multi-scale network (default on)
  --overlay, --no-overlay  Write overlays too (default off)
  --scales X,X,…           Scales of the input (0.1 to 4; default 1)

Training:
  --epochs N               Times through the list (1 to 1000; default 30)
  --shift N                A whole number without a range (default 0)
  --seed N                 Decides every random number (default 1)
  --lr X                   Learning rate (above 0; default 0.001)
  --milestones X,X,…       Where the rate falls (default 5,10)

Every command:
  --config FILE            TOML file; this command's section sets its options, flags win over it
  --print-config           Print the options as they stand, as TOML, and end
  --quiet                  Print warnings and errors alone
  --verbose                Print more
  -h, --help               Print this text and end
)");
}

TEST(HelpText, LinesAreWrappedAtAHundredColumns) {
  double value = 1;
  OptionSet set;
  std::string help;
  for (int i = 0; i < 60; ++i) help += (i > 0 ? " wörd" : "wörd") + std::to_string(i);
  set.Add("long", &value, help);
  set.Add("an-option-with-quite-a-long-name-indeed", &value, "Short");
  const std::string text = HelpText({"cam", help, help, {}}, set);
  std::istringstream lines(text);
  size_t widest = 0;
  for (std::string line; std::getline(lines, line);) {
    size_t columns = 0;
    for (const char c : line) columns += (c & 0xC0) != 0x80 ? 1 : 0;
    widest = std::max(widest, columns);
    EXPECT_FALSE(line.ends_with(" ")) << line;
  }
  EXPECT_LE(widest, 100u);
  EXPECT_GT(widest, 90u);
  EXPECT_NE(text.find("  --an-option-with-quite-a-long-name-indeed X\n     "), std::string::npos);
  EXPECT_NE(text.find("wörd59 (default 1)\n"), std::string::npos);
}

// What stands in the options after printing and reading again.
std::string RoundTrip(const OptionSet& set) {
  ExampleOptions again;
  OptionSet set_again = again.Describe();
  TomlFile::Parse(ToToml("cam", set), "printed.toml", "").Apply("cam", set_again);
  return set_again.ToJson().dump();
}

TEST(ToToml, ReadsBackToTheSameValues) {
  ExampleOptions values;
  const OptionSet set = values.Describe();
  EXPECT_EQ(RoundTrip(set), set.ToJson().dump()) << "the defaults";

  values.images = "a \"quoted\" path/with\\backslash";
  values.weights = "/absolute/é.pth";
  values.arch = "resnet50";
  values.epochs = 1000;
  values.shift = std::numeric_limits<int>::min();
  values.seed = std::numeric_limits<int64_t>::max();
  values.lr = std::nextafter(0.1, 1.0);
  values.offset = -1e300;
  values.msc = false;
  values.overlay = true;
  values.scales = {1, 0.1, 1.0 / 3};
  for (int c = 1; c < 0x100; ++c) {
    if (c < 0x80) {
      values.title += static_cast<char>(c);
    } else {
      values.title += static_cast<char>(0xC0 | (c >> 6));
      values.title += static_cast<char>(0x80 | (c & 0x3F));
    }
  }
  values.title += "\xF0\x9F\x98\x80 \"\"\" ''' # [x]";
  EXPECT_EQ(RoundTrip(set), set.ToJson().dump());
  values.milestones.clear();
  EXPECT_EQ(RoundTrip(set), set.ToJson().dump());
  values.offset = 1e-5;
  values.title = "\n";
  EXPECT_EQ(RoundTrip(set), set.ToJson().dump());
}

TEST(ToToml, InfinityIsAWordOfToml) {
  double far = -std::numeric_limits<double>::infinity();
  OptionSet set;
  set.Add("far", &far, "A distance").Range(far, 0);
  const std::string text = ToToml("cam", set);
  EXPECT_NE(text.find("\nfar = -inf\n"), std::string::npos) << text;
  far = 0;
  TomlFile::Parse(text, "printed.toml", "").Apply("cam", set);
  EXPECT_EQ(far, -std::numeric_limits<double>::infinity());
}

TEST(ToToml, WhatIsNotSetIsCommentedOut) {
  ExampleOptions values;
  const std::string text = ToToml("cam", values.Describe());
  EXPECT_TRUE(text.starts_with("[cam]\n\n# Folder of photographs (required)\n# images = \"\"\n"))
      << text;
  EXPECT_NE(text.find("\n# Learning rate (above 0)\nlr = 0.001\n"), std::string::npos) << text;
  EXPECT_NE(text.find("\nscales = [1.0]\n"), std::string::npos) << text;
  EXPECT_NE(text.find("\nmsc = true\n"), std::string::npos) << text;
}

}  // namespace
}  // namespace i2crc
