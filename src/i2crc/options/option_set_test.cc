// SPDX-License-Identifier: Apache-2.0
#include "i2crc/options/option_set.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "i2crc/core/error.h"
#include "i2crc/options/example_options.h"
#include "support/option_set_checks.h"

namespace i2crc {
namespace {

using nlohmann::json;
using testing::ExampleOptions;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

class OptionSetTest : public ::testing::Test {
 protected:
  // The message of the error that setting the option gives, "" where it is taken.
  std::string TextError(const std::string& name, const std::string& text) {
    try {
      set_.Find(name)->SetFromText(text);
      return "";
    } catch (const Error& error) {
      return error.what();
    }
  }
  std::string JsonError(const std::string& name, const json& value) {
    try {
      set_.Find(name)->SetFromJson(value, "base");
      return "";
    } catch (const Error& error) {
      return error.what();
    }
  }

  ExampleOptions values_;
  OptionSet set_ = values_.Describe();
};

TEST_F(OptionSetTest, TheExampleIsWhatEveryCommandsDescriptionMustBe) {
  testing::CheckOptionSet(set_);
}

TEST_F(OptionSetTest, TextsOfEveryTypeAreTaken) {
  EXPECT_EQ(TextError("images", "a/../b"), "");
  EXPECT_EQ(TextError("arch", "resnet50"), "");
  EXPECT_EQ(TextError("epochs", "7"), "");
  EXPECT_EQ(TextError("shift", "-2147483648"), "");
  EXPECT_EQ(TextError("seed", "9223372036854775807"), "");
  EXPECT_EQ(TextError("lr", "2.5e-4"), "");
  EXPECT_EQ(TextError("offset", "-.5"), "");
  EXPECT_EQ(TextError("msc", "false"), "");
  EXPECT_EQ(TextError("scales", "1,0.5,0.75"), "");
  EXPECT_EQ(TextError("milestones", ""), "");
  EXPECT_EQ(values_.images, "a/../b") << "a path stays as it was typed";
  EXPECT_EQ(values_.arch, "resnet50");
  EXPECT_EQ(values_.epochs, 7);
  EXPECT_EQ(values_.shift, std::numeric_limits<int>::min());
  EXPECT_EQ(values_.seed, uint64_t{9223372036854775807u});
  EXPECT_EQ(values_.lr, 2.5e-4);
  EXPECT_EQ(values_.offset, -0.5);
  EXPECT_FALSE(values_.msc);
  EXPECT_EQ(values_.scales, (std::vector<double>{1, 0.5, 0.75}));
  EXPECT_TRUE(values_.milestones.empty());
  EXPECT_TRUE(set_.Find("lr")->given());
  EXPECT_FALSE(set_.Find("overlay")->given());
}

TEST_F(OptionSetTest, WrongTextsAreErrorsThatSayWhatIsLegal) {
  EXPECT_EQ(TextError("epochs", "x"), "'x' is not a whole number");
  EXPECT_EQ(TextError("epochs", "1.5"), "'1.5' is not a whole number");
  EXPECT_EQ(TextError("epochs", ""), "'' is not a whole number");
  EXPECT_EQ(TextError("epochs", "3 "), "'3 ' is not a whole number");
  EXPECT_EQ(TextError("epochs", "0"), "0 is out of range (1 to 1000)");
  EXPECT_EQ(TextError("shift", "2147483648"), "2147483648 is out of range (at most 2147483647)");
  EXPECT_EQ(TextError("shift", "-2147483649"),
            "-2147483649 is out of range (at least -2147483648)");
  EXPECT_EQ(TextError("seed", "-1"), "-1 is out of range (at least 0)");
  EXPECT_EQ(TextError("seed", "9223372036854775808"),
            "9223372036854775808 is out of range (at most 9223372036854775807)");
  EXPECT_EQ(TextError("lr", "-1"), "-1 is out of range (above 0)");
  EXPECT_EQ(TextError("lr", "0"), "0 is out of range (above 0)");
  EXPECT_EQ(TextError("lr", "nan"), "nan is out of range (finite, above 0)");
  EXPECT_EQ(TextError("lr", "inf"), "inf is out of range (finite, above 0)");
  EXPECT_EQ(TextError("offset", "-inf"), "-inf is out of range (finite)");
  EXPECT_EQ(TextError("offset", "1e999"), "'1e999' is out of range");
  EXPECT_EQ(TextError("offset", "1,5"), "'1,5' is not a number");
  EXPECT_EQ(TextError("msc", "yes"), "'yes' is neither true nor false");
  EXPECT_EQ(TextError("arch", "vgg"),
            "'vgg' is none of vgg16, resnet18, resnet50; did you mean 'vgg16'?");
  EXPECT_EQ(TextError("arch", "alexnet"), "'alexnet' is none of vgg16, resnet18, resnet50");
  EXPECT_EQ(TextError("scales", "1,,2"), "'' is not a number");
  EXPECT_EQ(TextError("scales", "1,2,"), "'' is not a number");
  EXPECT_EQ(TextError("scales", "1,5"), "5 is out of range (0.1 to 4)");
  EXPECT_EQ(TextError("scales", ""), "an empty list is not enough");
  EXPECT_EQ(TextError("title", "a\xff"), "'a\xff' is not UTF-8");
  EXPECT_EQ(values_.scales, std::vector<double>{1}) << "an error leaves the value alone";
  EXPECT_FALSE(set_.Find("scales")->given());
}

TEST_F(OptionSetTest, MessagesStayOnOneLine) {
  EXPECT_EQ(TextError("epochs", "a\nb\x1b"), "'a\\nb\\x1b' is not a whole number");
  EXPECT_LT(TextError("epochs", std::string(10000, 'x')).size(), 200u);
}

TEST_F(OptionSetTest, JsonOfAnotherTypeIsRefused) {
  EXPECT_EQ(JsonError("epochs", 1.5), "1.5 is not a whole number");
  EXPECT_EQ(JsonError("epochs", 2.0), "2 is not a whole number");
  EXPECT_EQ(JsonError("epochs", "3"), "'3' is not a whole number");
  EXPECT_EQ(JsonError("epochs", true), "true is not a whole number");
  EXPECT_EQ(JsonError("epochs", json::array({1})), "a list is not a whole number");
  EXPECT_EQ(JsonError("epochs", json::object()), "a table is not a whole number");
  EXPECT_EQ(JsonError("seed", uint64_t{1} << 63),
            "9223372036854775808 is out of range (at most 9223372036854775807)");
  EXPECT_EQ(JsonError("lr", "0.1"), "'0.1' is not a number");
  EXPECT_EQ(JsonError("lr", nullptr), "null is not a number");
  EXPECT_EQ(JsonError("msc", 1), "1 is neither true nor false");
  EXPECT_EQ(JsonError("arch", 16), "16 is not a text");
  EXPECT_EQ(JsonError("images", 16), "16 is not a path");
  EXPECT_EQ(JsonError("images", std::string("a\0b", 3)), "'a\\x00b' is not a path");
  EXPECT_EQ(JsonError("scales", 1), "1 is not a list of numbers");
  EXPECT_EQ(JsonError("scales", json::array({1, "x"})), "'x' is not a number");
  EXPECT_EQ(JsonError("scales", json::array()), "an empty list is not enough");
  EXPECT_EQ(JsonError("milestones", json::array()), "");
  EXPECT_EQ(JsonError("lr", 1), "");
  EXPECT_EQ(values_.lr, 1.0);
}

TEST_F(OptionSetTest, OnlyListsMayBeEmpty) {
  double x = 1;
  EXPECT_THROW(Option("x", &x, "").MayBeEmpty(), InternalError);
}

TEST_F(OptionSetTest, PathsFromJsonAreRelativeToTheirBase) {
  EXPECT_EQ(JsonError("images", "../voc/./images"), "");
  EXPECT_EQ(values_.images, "voc/images");
  EXPECT_EQ(JsonError("images", "/voc"), "");
  EXPECT_EQ(values_.images, "/voc");
  EXPECT_EQ(JsonError("images", "~/voc"), "");
  EXPECT_EQ(values_.images, "base/~/voc");
  EXPECT_EQ(JsonError("images", ""), "");
  EXPECT_EQ(values_.images, "");
}

TEST_F(OptionSetTest, AKeywordIsNoPath) {
  set_.Find("images")->Keyword("none");
  EXPECT_EQ(JsonError("images", "none"), "");
  EXPECT_EQ(values_.images, "none");
  EXPECT_EQ(JsonError("images", "./none"), "");
  EXPECT_EQ(values_.images, "base/none");
}

TEST_F(OptionSetTest, JsonKeepsTheOrderOfDescription) {
  const auto object = set_.ToJson();
  EXPECT_EQ(object.begin().key(), "images");
  EXPECT_EQ(object.at("scales"), json::array({1.0}));
  EXPECT_EQ(object.at("seed"), 1u);
  EXPECT_EQ(object.size(), set_.options().size());
}

TEST_F(OptionSetTest, AnOptionThatARecordMayLackIsKnownByItsValue) {
  Option& lr = *set_.Find("lr");
  EXPECT_FALSE(lr.IsAsAbsent());
  lr.AbsentMeans(0.5);
  EXPECT_FALSE(lr.IsAsAbsent());
  lr.SetFromText("0.5");
  EXPECT_TRUE(lr.IsAsAbsent());
  Option& scales = *set_.Find("scales");
  scales.AbsentMeans({1});
  EXPECT_TRUE(scales.IsAsAbsent());
  scales.SetFromText("1,2");
  EXPECT_FALSE(scales.IsAsAbsent());
}

TEST_F(OptionSetTest, InfinityIsLegalWhereTheRangeEndsThereAndSurvivesJson) {
  double far = 1;
  Option option("far", &far, "A distance");
  option.Range(0, kInfinity).SetFromText("inf");
  EXPECT_EQ(far, kInfinity);
  EXPECT_EQ(option.ToJson().dump(), "\"inf\"");
  far = 0;
  option.SetFromJson("inf", "");
  EXPECT_EQ(far, kInfinity);
  EXPECT_THROW(option.SetFromText("nan"), Error);
  EXPECT_THROW(option.SetFromText("-inf"), Error);
}

TEST_F(OptionSetTest, RangesInWords) {
  double x = 1;
  int n = 1;
  EXPECT_EQ(Option("x", &x, "").RangeText(), "");
  EXPECT_EQ(Option("x", &x, "").Range(0, 1).RangeText(), "0 to 1");
  EXPECT_EQ(Option("x", &x, "").Range(0, 1).Above(0).RangeText(), "above 0, at most 1");
  EXPECT_EQ(Option("x", &x, "").Range(0, kInfinity).RangeText(), "at least 0");
  EXPECT_EQ(Option("n", &n, "").RangeText(), "");
  EXPECT_EQ(Option("n", &n, "").Range(1, 1e18).RangeText(), "at least 1");
  EXPECT_EQ(Option("n", &n, "").Range(-kInfinity, 1000000).RangeText(), "at most 1000000");
}

TEST_F(OptionSetTest, TheFirstMissingRequiredOptionIsNamed) {
  try {
    set_.CheckRequired();
    FAIL() << "--images was not missed";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "--images is missing");
  }
  set_.Find("images")->SetFromText("");
  EXPECT_THROW(set_.CheckRequired(), Error);
  set_.Find("images")->SetFromText("x");
  EXPECT_NO_THROW(set_.CheckRequired());
}

TEST_F(OptionSetTest, TwoOptionsOfOneNameAreABug) {
  EXPECT_THROW(set_.Add("lr", &values_.lr, "Again"), InternalError);
}

TEST(NearestName, SlipsAreForgivenOtherWordsAreNot) {
  const std::vector<std::string> names = {"epochs", "lr", "checkpoint-every", "resnet18",
                                          "resnet50"};
  EXPECT_EQ(NearestName("epoch", names), "epochs");
  EXPECT_EQ(NearestName("epcohs", names), "epochs");
  EXPECT_EQ(NearestName("l", names), "lr");
  EXPECT_EQ(NearestName("rl", names), "lr");
  EXPECT_EQ(NearestName("resnet", names), "resnet18") << "the first of two that are as near";
  EXPECT_EQ(NearestName("checkpoints-evry", names), "checkpoint-every");
  EXPECT_EQ(NearestName("check", names), "checkpoint-every");
  EXPECT_EQ(NearestName("ch", names), "");
  EXPECT_EQ(NearestName("momentum", names), "");
  EXPECT_EQ(NearestName("xy", names), "");
  EXPECT_EQ(NearestName("", names), "");
  EXPECT_EQ(NearestName(std::string(100000, 'e'), names), "");
}

}  // namespace
}  // namespace i2crc
