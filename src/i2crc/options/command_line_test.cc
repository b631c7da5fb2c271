// SPDX-License-Identifier: Apache-2.0
#include "i2crc/options/command_line.h"

#include <gtest/gtest.h>

#include "i2crc/core/error.h"
#include "i2crc/options/example_options.h"
#include "support/test_dirs.h"

namespace i2crc {
namespace {

class CommandLineTest : public ::testing::Test {
 protected:
  using Arguments = std::vector<std::string>;

  ParsedCommandLine Parse(const Arguments& arguments) {
    values_ = {};
    OptionSet set = values_.Describe();
    return ParseCommandLine(help_, arguments, set, {"train-cls", "cam"});
  }
  // Parse with the required option in front; the message of the error, "" where there is none.
  std::string ErrorOf(Arguments arguments) {
    arguments.insert(arguments.begin(), "--images=x");
    try {
      Parse(arguments);
      return "";
    } catch (const Error& error) {
      return error.what();
    }
  }

  CommandHelp help_ = {"train-cls", "Train the attention network", "", {}};
  testing::ExampleOptions values_;
};

TEST_F(CommandLineTest, FlagsWithAttachedAndSeparateValues) {
  Parse({"--images", "a b", "--lr=0.5", "--offset", "-1.5", "--shift", "-3", "--scales", "1,0.5",
         "--no-msc", "--overlay", "--title=--x=y", "--weights="});
  EXPECT_EQ(values_.images, "a b");
  EXPECT_EQ(values_.lr, 0.5);
  EXPECT_EQ(values_.offset, -1.5);
  EXPECT_EQ(values_.shift, -3);
  EXPECT_EQ(values_.scales, (std::vector<double>{1, 0.5}));
  EXPECT_FALSE(values_.msc);
  EXPECT_TRUE(values_.overlay);
  EXPECT_EQ(values_.title, "--x=y");
  EXPECT_EQ(values_.weights, "");
}

TEST_F(CommandLineTest, NegativeAndStrangeValuesAreTakenAsTheyAre) {
  Parse({"--images", "[x]", "--offset", "-.5", "--title", ""});
  EXPECT_EQ(values_.images, "[x]");
  EXPECT_EQ(values_.offset, -0.5);
  EXPECT_EQ(values_.title, "");
  Parse({"--images", "-", "--title", "-x"});
  EXPECT_EQ(values_.images, "-");
  EXPECT_EQ(values_.title, "-x");
}

TEST_F(CommandLineTest, UnknownFlagsAreNamedWithPositionAndNearestName) {
  EXPECT_EQ(ErrorOf({"--lr=1", "--epoch", "5"}),
            "unknown option '--epoch' (argument 3); did you mean '--epochs'?");
  EXPECT_EQ(ErrorOf({"--epoch=5"}),
            "unknown option '--epoch' (argument 2); did you mean '--epochs'?");
  EXPECT_EQ(ErrorOf({"--no-mcs"}),
            "unknown option '--no-mcs' (argument 2); did you mean '--no-msc'?");
  EXPECT_EQ(ErrorOf({"--zzzzzzz"}), "unknown option '--zzzzzzz' (argument 2)");
  EXPECT_EQ(ErrorOf({"--cofnig", "x"}),
            "unknown option '--cofnig' (argument 2); did you mean '--config'?");
  EXPECT_EQ(ErrorOf({"-epochs", "3"}),
            "unknown option '-epochs' (argument 2); did you mean '--epochs'?");
  EXPECT_EQ(ErrorOf({"--=3"}), "unknown option '--' (argument 2)");
  EXPECT_EQ(ErrorOf({"---"}), "unknown option '---' (argument 2)");
  EXPECT_EQ(ErrorOf({"-x"}), "unknown option '-x' (argument 2)");
  EXPECT_EQ(ErrorOf({"-5"}), "unknown option '-5' (argument 2)");
}

TEST_F(CommandLineTest, MissingAndSuperfluousValues) {
  EXPECT_EQ(ErrorOf({"--lr=1", "--epochs"}), "--epochs (argument 3) needs a value");
  EXPECT_EQ(ErrorOf({"--title", "--epochs", "5"}), "--title (argument 2) needs a value");
  EXPECT_EQ(ErrorOf({"--title", "--"}), "--title (argument 2) needs a value");
  EXPECT_EQ(ErrorOf({"--config"}), "--config (argument 2) needs a value");
  EXPECT_EQ(ErrorOf({"--config="}), "--config needs a file");
  EXPECT_EQ(ErrorOf({"--epochs="}), "--epochs: '' is not a whole number");
  EXPECT_EQ(ErrorOf({"--msc=true"}), "--msc (argument 2) takes no value");
  EXPECT_EQ(ErrorOf({"--no-msc="}), "--no-msc (argument 2) takes no value");
  EXPECT_EQ(ErrorOf({"--help=1"}), "--help (argument 2) takes no value");
  EXPECT_EQ(ErrorOf({"--msc", "true"}),
            "unexpected argument 'true': i2crc train-cls takes options alone");
}

TEST_F(CommandLineTest, AFlagIsGivenOnce) {
  EXPECT_EQ(ErrorOf({"--lr=1", "--lr", "2"}), "--lr (argument 3) is given for the second time");
  EXPECT_EQ(ErrorOf({"--msc", "--msc"}), "--msc (argument 3) is given for the second time");
  EXPECT_EQ(ErrorOf({"--msc", "--no-msc"}), "--msc and --no-msc exclude each other");
  EXPECT_EQ(ErrorOf({"--quiet", "--verbose"}), "--quiet and --verbose exclude each other");
}

TEST_F(CommandLineTest, WrongValuesAreErrorsThatNameTheFlag) {
  EXPECT_EQ(ErrorOf({"--epochs", "x"}), "--epochs: 'x' is not a whole number");
  EXPECT_EQ(ErrorOf({"--lr", "-1"}), "--lr: -1 is out of range (above 0)");
  EXPECT_EQ(ErrorOf({"--arch", "vgg"}),
            "--arch: 'vgg' is none of vgg16, resnet18, resnet50; did you mean 'vgg16'?");
}

TEST_F(CommandLineTest, PositionalArguments) {
  help_ = {"weights convert", "Convert weights", "", {"IN", "OUT"}};
  EXPECT_EQ(Parse({"a", "--images", "x", "b"}).positionals, (Arguments{"a", "b"}));
  EXPECT_EQ(Parse({"--images=x", "--", "--a", "-"}).positionals, (Arguments{"--a", "-"}));
  EXPECT_EQ(ErrorOf({"a"}), "OUT is missing");
  EXPECT_EQ(ErrorOf({}), "IN is missing");
  EXPECT_EQ(ErrorOf({"a", "b", "c"}),
            "unexpected argument 'c': i2crc weights convert takes IN OUT");
}

TEST_F(CommandLineTest, PositionalArgumentsInBracketsMayBeMissing) {
  help_ = {"weights", "Convert weights", "", {"IN", "[OUT]"}};
  EXPECT_EQ(Parse({"a", "--images", "x"}).positionals, (Arguments{"a"}));
  EXPECT_EQ(Parse({"a", "b", "--images", "x"}).positionals, (Arguments{"a", "b"}));
  EXPECT_EQ(ErrorOf({}), "IN is missing");
  EXPECT_EQ(ErrorOf({"a", "b", "c"}), "unexpected argument 'c': i2crc weights takes IN [OUT]");
}

TEST_F(CommandLineTest, RequiredOptionsMayBeMissingOnlyForHelpAndPrintConfig) {
  EXPECT_THROW(Parse({}), Error);
  EXPECT_TRUE(Parse({"--help", "--lr", "nonsense"}).help);
  EXPECT_TRUE(Parse({"-h"}).help);
  EXPECT_EQ(values_.lr, 1e-3) << "the help shows defaults";
  EXPECT_TRUE(Parse({"--print-config", "--lr=2"}).print_config);
  EXPECT_EQ(values_.lr, 2.0);
  EXPECT_EQ(Parse({"--images=x"}).verbosity, 0);
  EXPECT_EQ(Parse({"--images=x", "--quiet"}).verbosity, -1);
  EXPECT_EQ(Parse({"--images=x", "--verbose"}).verbosity, 1);
}

TEST_F(CommandLineTest, FlagsWinOverTomlAndTomlOverDefaults) {
  testing::TempDir dir;
  testing::WriteBytes(
      dir / "c.toml",
      "[train-cls]\nimages = 'pictures'\nlr = 0.25\nepochs = 4\nmsc = false\n[cam]\n");
  const auto parsed = Parse({"--lr=0.5", "--config", (dir / "c.toml").string(), "--msc"});
  EXPECT_EQ(parsed.config, dir / "c.toml");
  EXPECT_EQ(values_.images, dir / "pictures") << "a required option may come from the file";
  EXPECT_EQ(values_.lr, 0.5);
  EXPECT_EQ(values_.epochs, 4);
  EXPECT_TRUE(values_.msc);
  EXPECT_EQ(values_.seed, 1u);

  testing::WriteBytes(dir / "d.toml", "[train-sge]\n");
  const std::string file = (dir / "d.toml").string();
  EXPECT_EQ(ErrorOf({"--config", file}),
            file + ":1:2: unknown section 'train-sge'; did you mean 'train-cls'?");
}

}  // namespace
}  // namespace i2crc
