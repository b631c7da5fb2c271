// SPDX-License-Identifier: Apache-2.0
#include "i2crc/data/class_names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "i2crc/core/error.h"
#include "i2crc/core/image.h"
#include "i2crc/data/text_lines.h"
#include "support/test_dirs.h"

namespace i2crc {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Optional;
using ::testing::StartsWith;

std::string MessageOf(const std::string& text) {
  try {
    ClassNames::Parse(text, "classes.txt");
  } catch (const Error& error) {
    return error.what();
  }
  return "taken";
}

std::string ManyNames(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += fmt::format("c{}\n", i);
  return text;
}

TEST(ClassNames, VocStandsInItsOwnOrder) {
  const ClassNames voc = ClassNames::Voc();
  ASSERT_EQ(voc.count(), 20);
  EXPECT_EQ(voc.name(0), "aeroplane");
  EXPECT_EQ(voc.Find("person"), 14);
  EXPECT_EQ(voc.Find("tvmonitor"), 19);
  EXPECT_EQ(voc.Find("Person"), -1);
  EXPECT_EQ(voc.Find(""), -1);
}

TEST(ClassNames, VocIsWhatTheDatasetSays) {
  I2CRC_NEEDS_SHARED("data/voc-animals/classes.txt");
  EXPECT_EQ(ClassNames::Read(testing::SharedPath("data/voc-animals/classes.txt")).names(),
            ClassNames::Voc().names());
}

TEST(ClassNames, FileTakesWindowsLinesByteOrderMarkAndBlanksAround) {
  const ClassNames classes =
      ClassNames::Parse("\xef\xbb\xbf  cat \r\nbl\xc3\xa4uling\t\r\n3d_printer\r\n\r\n\n", "f");
  EXPECT_THAT(classes.names(), ElementsAre("cat", "bl\xc3\xa4uling", "3d_printer"));
  EXPECT_THAT(ClassNames::Parse("cat\ndog", "f").names(), ElementsAre("cat", "dog"));
  EXPECT_THAT(ClassNames::Parse("cat\rdog\r", "f").names(), ElementsAre("cat", "dog"));
}

TEST(ClassNames, FileOfTheUtmostLength) {
  EXPECT_EQ(ClassNames::Parse(ManyNames(kMaxClasses), "f").count(), 254);
  EXPECT_EQ(MessageOf(ManyNames(255)), "classes.txt:255: there are more than 254 classes");
  EXPECT_EQ(MessageOf(ManyNames(5000)), "classes.txt:255: there are more than 254 classes");
}

TEST(ClassNames, MessagesNameFileLineAndCause) {
  EXPECT_EQ(MessageOf(""), "classes.txt: has no class names");
  EXPECT_EQ(MessageOf("\xef\xbb\xbf\r\n \n"), "classes.txt: has no class names");
  EXPECT_EQ(MessageOf("cat\n\ndog\n"), "classes.txt:2: the class name is empty");
  EXPECT_EQ(MessageOf("cat\ndog\ncat\n"), "classes.txt:3: class name 'cat' is class 0 already");
  EXPECT_EQ(MessageOf("cat\x01\n"),
            "classes.txt:1: class name 'cat\\x01' has a tab or another control character in it");
  EXPECT_THAT(MessageOf("a\nb\tc\n"), StartsWith("classes.txt:2: class name 'b\\x09c'"));
  EXPECT_EQ(
      MessageOf("cat\n\"potted plant\"\n"),
      "classes.txt:2: class name '\"potted plant\"' begins with a quotation mark, which lists "
      "put around names");
  EXPECT_THAT(MessageOf("cat\n\xff\xfe\n"), HasSubstr(":2: the class name is not UTF-8"));
  EXPECT_EQ(MessageOf(std::string("\xff\xfe"
                                  "c\0a\0t\0",
                                  8)),
            "classes.txt: is UTF-16 text; save it as UTF-8");
  for (const char* number : {"7", "-1", "+3", "1.5", ".5", "1e3", "1e999"})
    EXPECT_THAT(MessageOf(fmt::format("cat\n{}\n", number)),
                HasSubstr(fmt::format("classes.txt:2: class name '{}' is a number", number)));
  for (const char* word : {"nan", "inf", "0x10", "2nd", "-", "e3", "1e", "1.2.3"})
    EXPECT_EQ(MessageOf(fmt::format("cat\n{}\n", word)), "taken") << word;
}

TEST(ClassNames, NamesMayHaveBlanks) {
  const ClassNames classes =
      ClassNames::Parse("person\n traffic light \nstop  sign\n17\"tv\n", "f");
  EXPECT_THAT(classes.names(), ElementsAre("person", "traffic light", "stop  sign", "17\"tv"));
  EXPECT_EQ(classes.Find("traffic light"), 1);
  EXPECT_EQ(MessageOf("hot dog\ndog\nhot dog\n"),
            "classes.txt:3: class name 'hot dog' is class 0 already");
}

TEST(ClassNames, BackgroundIsNoClassHoweverItIsSpelt) {
  EXPECT_EQ(
      MessageOf("background\naeroplane\n"),
      "classes.txt:1: 'background' is no class: delete this line (masks stay as they are, 0 is "
      "background; class indices in lists count from 0 without it)");
  for (const char* word : {"Background", "BACKGROUND", "__background__", "_background_", "bg", "BG",
                           "(background)", "back ground", "back-ground"}) {
    EXPECT_TRUE(MeansBackground(word)) << word;
    EXPECT_THAT(MessageOf(fmt::format("cat\n{}\n", word)),
                StartsWith(fmt::format("classes.txt:2: '{}' is no class: delete", word)));
  }
  for (const char* word : {"", "backgrounds", "bg2", "b\xc3\xa4g", "bgb", "ground"})
    EXPECT_FALSE(MeansBackground(word)) << word;
  // What a checkpoint of before may hold.
  EXPECT_EQ(ClassNames({"__background__", "cat"}).Find("cat"), 1);
}

TEST(ClassNames, ReadNamesTheFileItCannotOpen) {
  testing::TempDir dir;
  try {
    ClassNames::Read(dir / "classes.txt");
    FAIL() << "read a file that is not there";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(),
                AllOf(HasSubstr((dir / "classes.txt").string()), HasSubstr("No such file")));
  }
}

TEST(ClassNames, ListOfNamesIsCheckedToo) {
  try {
    ClassNames({"cat", "cat"});
    FAIL() << "took a name twice";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "class name 2: class name 'cat' is class 0 already");
  }
  EXPECT_THROW(ClassNames(std::vector<std::string>{}), Error);
}

TEST(TextLines, EndsOfLines) {
  EXPECT_THAT(SplitLines(""), ElementsAre());
  EXPECT_THAT(SplitLines("\n"), ElementsAre(""));
  EXPECT_THAT(SplitLines("a\r\n\nb"), ElementsAre("a", "", "b"));
  EXPECT_THAT(SplitLines("a\rb\r"), ElementsAre("a", "b"));
  EXPECT_THAT(SplitLines("a\r\r\nb\r\n\r"), ElementsAre("a", "", "b", ""));
  EXPECT_THAT(SplitLines("\xef\xbb\xbf"
                         "a\n\xef\xbb\xbf"
                         "b"),
              ElementsAre("a",
                          "\xef\xbb\xbf"
                          "b"));
}

TEST(TextLines, Words) {
  EXPECT_THAT(SplitWords(" \t a\t\tb  c "), Optional(ElementsAre("a", "b", "c")));
  EXPECT_THAT(SplitWords(" \t"), Optional(ElementsAre()));
}

TEST(TextLines, WordsInQuotationMarksKeepTheirBlanks) {
  EXPECT_THAT(SplitWords("\"a b\"\t\"c\" d\"e \"\""),
              Optional(ElementsAre("a b", "c", "d\"e", "")));
  for (const char* line : {"\"", "a \"b c", "\"a\"b", "\"a\"\"b\""})
    EXPECT_EQ(SplitWords(line), std::nullopt) << line;
}

TEST(TextLines, Utf8IsWellFormed) {
  for (const char* text : {"", "abc", "\xc2\x80", "\xed\x9f\xbf", "\xee\x80\x80",
                           "\xf0\x9f\x90\x88", "\xf4\x8f\xbf\xbf"})
    EXPECT_TRUE(IsUtf8(text)) << ::testing::PrintToString(text);
  // A lone continuation, overlong forms, a surrogate, above U+10FFFF, cut short.
  for (const char* text :
       {"\x80", "\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf",
        "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xc3", "\xe2\x82", "\xf0\x9f\x90", "\xc3("})
    EXPECT_FALSE(IsUtf8(text)) << ::testing::PrintToString(text);
}

}  // namespace
}  // namespace i2crc
