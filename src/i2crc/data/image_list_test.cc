// SPDX-License-Identifier: Apache-2.0
#include "i2crc/data/image_list.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "i2crc/core/atomic_file.h"
#include "i2crc/core/error.h"
#include "support/test_dirs.h"

namespace fs = std::filesystem;

namespace i2crc {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

std::string MessageOf(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

std::vector<ListedImage> Parsed(const std::string& text) {
  return ParseImageList(text, "train.txt", ClassNames::Voc());
}

std::string ListError(const std::string& text) {
  return MessageOf([&] { Parsed(text); });
}

TEST(ImageList, IndicesNamesAndNoTags) {
  const auto images = Parsed("2007_000032 0 14\nb cat 3 dog\nc\n");
  ASSERT_EQ(images.size(), 3u);
  EXPECT_EQ(images[0], (ListedImage{"2007_000032", {0, 14}}));
  EXPECT_EQ(images[1], (ListedImage{"b", {3, 7, 11}}));
  EXPECT_EQ(images[2], (ListedImage{"c", {}}));
}

TEST(ImageList, TagsComeAscendingAndOnce) {
  EXPECT_THAT(Parsed("a 14 0 person aeroplane 007\n")[0].tags, ElementsAre(0, 7, 14));
}

TEST(ImageList, CommentsEmptyLinesWindowsLinesByteOrderMarkTabs) {
  const auto images = Parsed("\xef\xbb\xbf# VOC\r\n\r\n \t\r\n  a\t5 \r\n # 1 2\nb 6");
  ASSERT_EQ(images.size(), 2u);
  EXPECT_EQ(images[0], (ListedImage{"a", {5}}));
  EXPECT_EQ(images[1], (ListedImage{"b", {6}}));
}

TEST(ImageList, LinesOfAnOldMacAreLines) {
  const auto images = Parsed("a cat\rb dog\r");
  ASSERT_EQ(images.size(), 2u);
  EXPECT_EQ(images[0], (ListedImage{"a", {7}}));
  EXPECT_EQ(images[1], (ListedImage{"b", {11}}));
  EXPECT_EQ(ParseImageIds("a cat\rb dog\r", "f").size(), 2u);
  EXPECT_EQ(ListError("a cat\rb cow\rc dgo\r"),
            "train.txt:3: unknown class 'dgo'; did you mean 'dog'?");
}

TEST(ImageList, Utf16IsNamed) {
  std::string text = "\xff\xfe";
  for (const char c : std::string("a cat\r\n")) text += {c, '\0'};
  EXPECT_EQ(ListError(text), "train.txt: is UTF-16 text; save it as UTF-8");
  EXPECT_EQ(MessageOf([&] { ParseImageIds(text, "f"); }), "f: is UTF-16 text; save it as UTF-8");
  // Without its byte-order mark.
  EXPECT_EQ(ListError(text.substr(2)), "train.txt: is UTF-16 text; save it as UTF-8");
}

TEST(ImageList, IdsMayHaveFoldersDotsBackslashesAndForeignLetters) {
  const auto images = Parsed("a/0001\na/..b/c..\n...\n.hidden\na\\b\n\xc3\xa4\xff\n-x\n");
  ASSERT_EQ(images.size(), 7u);
  EXPECT_EQ(images[1].id, "a/..b/c..");
  EXPECT_EQ(images[4].id, "a\\b");
}

TEST(ImageList, IdsThatLeaveTheFolderOrHaveTwoSpellings) {
  EXPECT_EQ(ListError("a\n../x 1\n"),
            "train.txt:2: the ID '../x' leaves the folder of images ('..')");
  for (const char* id : {"..", "a/..", "a/../b", "a/b/.."})
    EXPECT_THAT(ListError(id), HasSubstr("leaves the folder")) << id;
  EXPECT_THAT(ListError("/etc/passwd"), HasSubstr("'/etc/passwd' is absolute"));
  EXPECT_THAT(ListError("/"), HasSubstr("is absolute"));
  EXPECT_THAT(ListError("a//b"), HasSubstr("'a//b' has an empty part"));
  for (const char* id : {".", "./a", "a/./b", "a/."})
    EXPECT_THAT(ListError(id), HasSubstr("has a '.' part")) << id;
  EXPECT_THAT(ListError("a/ 1"), HasSubstr("'a/' ends in a slash"));
}

TEST(ImageList, ControlCharactersInAnId) {
  EXPECT_EQ(ListError("a\x1b[31m 1\n"),
            "train.txt:1: the ID 'a\\x1b[31m' has a control character in it");
  EXPECT_THAT(ListError(std::string("a\0b 1\n", 6)), HasSubstr("'a\\x00b' has a control"));
}

TEST(ImageList, AnIdThatStandsTwice) {
  EXPECT_EQ(ListError("# images\na 1\nb 2\na 3\n"),
            "train.txt:4: the ID 'a' stands on line 2 already");
  EXPECT_THAT(MessageOf([] { ParseImageIds("a\na\n", "f"); }), HasSubstr("f:2:"));
}

TEST(ImageList, ClassesThatAreNotThere) {
  EXPECT_EQ(ListError("a 20\n"),
            "train.txt:1: class '20' is out of range: there are 20 classes, 0 to 19");
  EXPECT_THAT(ListError("a 3 -1\n"), HasSubstr("class '-1' is out of range"));
  EXPECT_THAT(ListError("a 99999999999999999999\n"), HasSubstr("is out of range"));
  EXPECT_THAT(ListError("a 1.5\n"), HasSubstr("'1.5' is not a class index"));
  EXPECT_THAT(ListError("a +1\n"), HasSubstr("'+1' is not a class index"));
  EXPECT_EQ(ListError("b 1\na 1 persn\n"),
            "train.txt:2: unknown class 'persn'; did you mean 'person'?");
  EXPECT_EQ(ListError("a xylophonist\n"), "train.txt:1: unknown class 'xylophonist'");
  EXPECT_THAT(ListError("a " + std::string(100000, 'q')),
              AllOf(HasSubstr("unknown class 'qqq"), Not(HasSubstr(std::string(200, 'q')))));
}

TEST(ImageList, ClassesAreThoseOfTheFile) {
  const ClassNames classes({"disc", "ring"});
  EXPECT_THAT(ParseImageList("a ring 0\n", "f", classes)[0].tags, ElementsAre(0, 1));
  EXPECT_THAT(MessageOf([&] { ParseImageList("a 2\n", "f", classes); }),
              HasSubstr("there are 2 classes, 0 to 1"));
}

TEST(ImageList, WhatHasBlanksStandsInQuotationMarks) {
  const ClassNames classes({"person", "traffic light", "stop sign"});
  const auto parsed = [&](const std::string& text) { return ParseImageList(text, "f", classes); };
  const auto images = parsed("a \"traffic light\" 0\n\"b 1\"\t\"stop sign\"\t\"person\"\nc 1\n");
  ASSERT_EQ(images.size(), 3u);
  EXPECT_EQ(images[0], (ListedImage{"a", {0, 1}}));
  EXPECT_EQ(images[1], (ListedImage{"b 1", {0, 2}}));
  EXPECT_EQ(images[2], (ListedImage{"c", {1}}));
  EXPECT_EQ(ParseImageIds("\"b 1\" \"x\n\"#c\"\n# \"d\n", "f").size(), 2u);

  const auto message = [&](const std::string& text) { return MessageOf([&] { parsed(text); }); };
  for (const char* line : {"a traffic light\n", "a\ttraffic light\n"})
    EXPECT_EQ(message(line),
              "f:1: unknown class 'traffic'; a name with blanks stands in quotation marks: "
              "\"traffic light\"");
  for (const char* line : {"a \"traffic light\n", "\"a\n", "a \"stop sign\"0\n"})
    EXPECT_EQ(message(line), "f:1: a word that begins with a quotation mark must end with one");
  EXPECT_EQ(message("a \"stop  sign\"\n"),
            "f:1: unknown class 'stop  sign'; did you mean 'stop sign'?");
}

TEST(ImageList, TheListIsNoFileOfClassNames) {
  testing::TempDir dir;
  const std::string text = "# ours\na 0 1 \nb 1\n";
  WriteFileAtomically(dir / "l.txt", text);
  const ClassNames classes = ClassNames::Parse(text, "l.txt");
  const std::string message = (dir / "l.txt").string() +
                              ":2: the line is a class name too; is the list given as --classes?";
  EXPECT_EQ(MessageOf([&] { ReadImageList(dir / "l.txt", classes); }), message);
  EXPECT_EQ(MessageOf([&] { TagsOfList(dir / "l.txt", classes); }), message);
  // IDs may be names of classes.
  EXPECT_EQ(ParseImageList("cat 0\n", "f", ClassNames({"cat", "hot dog"})).size(), 1u);
}

TEST(ImageList, BackgroundIsNoTag) {
  EXPECT_EQ(ListError("a __background__ dog\n"),
            "train.txt:1: unknown class '__background__': background is no tag, leave it out");
}

TEST(ImageList, AnEmptyListIsAnError) {
  EXPECT_EQ(ListError(""), "train.txt: the list has no images");
  EXPECT_EQ(ListError("# nothing\n\n"), "train.txt: the list has no images");
  EXPECT_THAT(MessageOf([] { ParseImageIds("\n", "f"); }), HasSubstr("f: the list has no images"));
}

TEST(ImageList, WhereTagsAreNotNeededTheyArePassedOver) {
  const auto images = ParseImageIds("a 99 no_such_class\nb\n", "f");
  ASSERT_EQ(images.size(), 2u);
  EXPECT_EQ(images[0], (ListedImage{"a", {}}));
}

TEST(ImageList, FilesAreReadAndNamed) {
  testing::TempDir dir;
  WriteFileAtomically(dir / "l.txt", "a 1\n/b 2\n");
  EXPECT_THAT(MessageOf([&] { ReadImageList(dir / "l.txt", ClassNames::Voc()); }),
              StartsWith((dir / "l.txt").string() + ":2: "));
  EXPECT_THAT(MessageOf([&] { ReadImageIds(dir / "none.txt"); }),
              AllOf(HasSubstr("none.txt"), HasSubstr("No such file")));
  WriteFileAtomically(dir / "l.txt", "a 1\nb 2\n");
  EXPECT_EQ(ReadImageList(dir / "l.txt", ClassNames::Voc()).size(), 2u);
  EXPECT_EQ(ReadImageIds(dir / "l.txt").size(), 2u);
}

TEST(ImageList, TagsOfAWholeList) {
  testing::TempDir dir;
  WriteFileAtomically(dir / "l.txt", "a dog 1\nb\nc 1 cat\n");
  EXPECT_THAT(TagsOfList(dir / "l.txt", ClassNames::Voc()), ElementsAre(1, 7, 11));
  WriteFileAtomically(dir / "l.txt", "a dog\nb of something else\n");
  EXPECT_THAT(TagsOfList(dir / "l.txt", ClassNames::Voc()), ElementsAre());
}

TEST(ImageList, ListsOfTheRealDatasetAndTheGoldens) {
  I2CRC_NEEDS_SHARED("data/voc-animals/train.txt");
  const auto images =
      ReadImageList(testing::SharedPath("data/voc-animals/train.txt"), ClassNames::Voc());
  EXPECT_EQ(images.size(), 555u);
  const auto single = std::count_if(images.begin(), images.end(),
                                    [](const ListedImage& i) { return i.tags.size() == 1; });
  EXPECT_EQ(single, 438);
  EXPECT_EQ(ReadImageList(testing::SharedPath("goldens/labels/list.txt"), ClassNames::Voc()).size(),
            24u);
}

TEST(FindPhotograph, WhicheverEndingIsThere) {
  testing::TempDir dir;
  MakeFolder(dir / "sub");
  for (const char* name :
       {"a.jpg", "b.jpeg", "c.png", "d.JPG", "e.Jpeg", "f.pNg", "sub/g.PNG", "h.x.jpg"})
    WriteFileAtomically(dir / name, "x");
  EXPECT_EQ(FindPhotograph(dir.path(), "a"), dir / "a.jpg");
  EXPECT_EQ(FindPhotograph(dir.path(), "b"), dir / "b.jpeg");
  EXPECT_EQ(FindPhotograph(dir.path(), "c"), dir / "c.png");
  EXPECT_EQ(FindPhotograph(dir.path(), "d"), dir / "d.JPG");
  EXPECT_EQ(FindPhotograph(dir.path(), "e"), dir / "e.Jpeg");
  EXPECT_EQ(FindPhotograph(dir.path(), "f"), dir / "f.pNg");
  EXPECT_EQ(FindPhotograph(dir.path(), "sub/g"), dir / "sub/g.PNG");
  EXPECT_EQ(FindPhotograph(dir.path(), "h.x"), dir / "h.x.jpg");
}

TEST(FindPhotograph, NoneOrSeveralAreErrors) {
  testing::TempDir dir;
  WriteFileAtomically(dir / "a.jpg", "x");
  WriteFileAtomically(dir / "a.png", "x");
  WriteFileAtomically(dir / "b.Jpg", "x");
  WriteFileAtomically(dir / "b.Png", "x");
  MakeFolder(dir / "c.jpg");
  WriteFileAtomically(dir / "d.gif", "x");
  const auto message = [&](const std::string& id) {
    return MessageOf([&] { FindPhotograph(dir.path(), id); });
  };
  EXPECT_EQ(message("a"),
            (dir / "a.jpg").string() + ": a.png is there too; which of them is meant?");
  EXPECT_THAT(message("b"), HasSubstr("is there too"));
  EXPECT_EQ(message("c"), (dir / "c").string() + ": no .jpg, .jpeg or .png there");
  EXPECT_THAT(message("d"), EndsWith("no .jpg, .jpeg or .png there"));
  EXPECT_THAT(message("no/folder"), EndsWith("no .jpg, .jpeg or .png there"));
  EXPECT_THAT(message("a.jpg"), HasSubstr("an ID stands in the list without its ending"));
  EXPECT_THAT(message(std::string(5000, 'x')), HasSubstr("File name too long"));
}

TEST(FindPhotograph, TwoSpellingsOfOneFileAreOnePhotograph) {
  testing::TempDir dir;
  WriteFileAtomically(dir / "a.jpg", "x");
  fs::create_hard_link(dir / "a.jpg", dir / "a.JPG");  // what a case-blind file system shows
  EXPECT_EQ(FindPhotograph(dir.path(), "a"), dir / "a.jpg");
}

TEST(ListFolder, PhotographsInOrderOfTheirIds) {
  testing::TempDir dir;
  MakeFolder(dir / "sub");
  MakeFolder(dir / "folder.jpg");
  for (const char* name : {"b.PNG", "a.jpg", "B.jpeg", "a-1.jpg", "a_1.Jpg", "notes.txt",
                           ".hidden.jpg", ".jpg", "jpg", "sub/c.jpg", "with space.png", "a.b.jpg"})
    WriteFileAtomically(dir / name, "x");
  std::vector<std::string> ids;
  for (const ListedImage& image : ListFolder(dir.path())) {
    EXPECT_TRUE(image.tags.empty());
    EXPECT_TRUE(fs::exists(FindPhotograph(dir.path(), image.id)));
    ids.push_back(image.id);
  }
  EXPECT_THAT(ids, ElementsAre("B", "a", "a-1", "a.b", "a_1", "b", "with space"));
}

TEST(ListFolder, TwoPhotographsOfOneId) {
  testing::TempDir dir;
  WriteFileAtomically(dir / "a.jpg", "x");
  WriteFileAtomically(dir / "a.b.jpg", "x");
  WriteFileAtomically(dir / "a.PNG", "x");
  EXPECT_EQ(MessageOf([&] { ListFolder(dir.path()); }),
            dir.path().string() + ": 'a.PNG' and 'a.jpg' have the same ID");
}

TEST(ListFolder, FoldersWithoutPhotographs) {
  testing::TempDir dir;
  EXPECT_EQ(MessageOf([&] { ListFolder(dir.path()); }),
            dir.path().string() + ": has no photograph (.jpg, .jpeg or .png)");
  EXPECT_THAT(MessageOf([&] { ListFolder(dir / "none"); }),
              EndsWith("none: No such file or directory"));
  WriteFileAtomically(dir / "file", "x");
  EXPECT_THAT(MessageOf([&] { ListFolder(dir / "file"); }), EndsWith("file: Not a directory"));
  WriteFileAtomically(dir / "a\nb.jpg", "x");
  EXPECT_THAT(MessageOf([&] { ListFolder(dir.path()); }),
              HasSubstr("the file name 'a\\nb.jpg' has a control character in it"));
}

TEST(TagsMetAlone, CountsImagesOfOneTagOnly) {
  const std::vector<std::vector<int>> tags = {{1}, {1}, {4}, {1, 4}, {4, 7}, {}};
  EXPECT_EQ(TagsMetAlone(tags, 0), (std::set<int>{1, 4, 7}));
  EXPECT_EQ(TagsMetAlone(tags, 1), (std::set<int>{1, 4}));
  EXPECT_EQ(TagsMetAlone(tags, 2), (std::set<int>{1}));
  EXPECT_EQ(TagsMetAlone(tags, 3), std::set<int>());
}

TEST(HalfOf, DealsOutImagesOfTheSameTagsInTurn) {
  const std::vector<ListedImage> images = {{"a", {1}}, {"b", {0}}, {"c", {1}},    {"d", {0, 1}},
                                           {"e", {1}}, {"f", {0}}, {"g", {0, 1}}, {"h", {}}};
  const auto ids = [&](Half half) {
    std::string text;
    for (const ListedImage& image : HalfOf(images, half)) text += image.id;
    return text;
  };
  EXPECT_EQ(ids(Half::kBoth), "abcdefgh");
  // By tags: h; b f; d g; a c e. In turn: h f g c and b d a e.
  EXPECT_EQ(ids(Half::kFirst), "cfgh");
  EXPECT_EQ(ids(Half::kSecond), "abde");
  EXPECT_THROW(HalfOf({{"a", {1}}}, Half::kSecond), Error);
}

}  // namespace
}  // namespace i2crc
