// SPDX-License-Identifier: Apache-2.0
// Lists of images: IDs, tags and class names.
#include <algorithm>

#include "support/scenes_world.h"

namespace i2crc::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class ListsTest : public ProgramTest {
 protected:
  // Of a list with that text, by a command that reads tags and by one that passes them over.
  void ExpectRefusedList(const std::string& text, const std::string& message) {
    Write("l.txt", text);
    ExpectRefused(TrainCls("l.txt"), message);
    ExpectRefused(Predict("l.txt"), message);
  }
  void ExpectRefusedTags(const std::string& text, const std::string& message) {
    Write("l.txt", text);
    ExpectRefused(TrainCls("l.txt"), message);
    ExpectRefused(Cam("l.txt"), message);
  }
};

TEST_F(ListsTest, AnIdStaysInItsFolder) {
  ExpectRefusedList("scene_00000 1\n../scene_00001 1\n", "l.txt:2: the ID '../scene_00001' leaves");
  ExpectRefusedList("a/../../x 1\n", "l.txt:1: the ID 'a/../../x' leaves");
  ExpectRefusedList("/etc/passwd\n", "l.txt:1: the ID '/etc/passwd' is absolute");
  ExpectRefusedList("a//b 1\n", "l.txt:1: the ID 'a//b' has an empty part");
  ExpectRefusedList("a/ 1\n", "l.txt:1: the ID 'a/' ends in a slash");
  ExpectRefusedList("scene_00000 1\nscene_00001 2\nscene_00000 3\n",
                    "l.txt:3: the ID 'scene_00000' stands on line 1 already");
}

TEST_F(ListsTest, AListHasImagesThatAreThere) {
  ExpectRefusedList("", "l.txt: the list has no images");
  ExpectRefusedList("\n# nothing\n  \n", "l.txt: the list has no images");
  ExpectRefusedList("scene_00000 1\nscene_77 1\n", "scene_77: no .jpg, .jpeg or .png there");
  ExpectRefusedList("scene_00000.jpg 1\n", "an ID stands in the list without its ending");
  std::filesystem::copy(dir_ / "s/Saliency/scene_00000.png", dir_ / "s/JPEGImages/");
  ExpectRefusedList("scene_00000 1\n", "scene_00000.png is there too");
}

TEST_F(ListsTest, Classes) {
  ExpectRefusedTags("scene_00000 6\n",
                    "l.txt:1: class '6' is out of range: there are 6 classes, 0 to 5");
  ExpectRefusedTags("scene_00000 -1\n", "class '-1' is out of range");
  ExpectRefusedTags("scene_00000 99999999999999999999\n", "is out of range");
  ExpectRefusedTags("scene_00000 1.5\n", "'1.5' is not a class index");
  ExpectRefusedTags("scene_00000 0\nscene_00001 lummo\n",
                    "l.txt:2: unknown class 'lummo'; did you mean 'lumo'?");
  // Where tags are not needed they are passed over.
  Write("l.txt", "scene_00000 lummo 99\n");
  EXPECT_EQ(Run(Predict("l.txt")).status, 0);
}

TEST_F(ListsTest, ClassFiles) {
  const auto refused = [&](const std::string& text, const std::string& message) {
    Write("s/classes.txt", text);
    ExpectRefused(TrainCls(), message);
    ExpectRefused(TrainSeg(), message);
  };
  refused("", "s/classes.txt: has no class names");
  refused("cat\ndog\ncat\n", "s/classes.txt:3: class name 'cat' is class 0 already");
  refused("__background__\ncat\n",
          "s/classes.txt:1: '__background__' is no class: delete this line");
  refused("cat\n12\n", "s/classes.txt:2: class name '12' is a number");
  refused("cat\n\ndog\n", "s/classes.txt:2: the class name is empty");
  std::string many;
  for (int i = 0; i < 255; ++i) many += "c" + std::to_string(i) + "\n";
  refused(many, "s/classes.txt:255: there are more than 254 classes");
}

TEST_F(ListsTest, ClassNamesWithBlanks) {
  Write("s/classes.txt", "person\ntraffic light\nstop sign\nhot dog\ndog\nteddy bear\n");
  Write("l.txt", "scene_00000 \"traffic light\" dog\nscene_00001 1\nscene_00002 \"hot dog\"\n");
  Arguments train = TrainCls("l.txt");
  *(std::find(train.begin(), train.end(), "--out") + 1) = "cls";
  const ProgramResult trained = Run(train);
  ASSERT_EQ(trained.status, 0) << trained.err;
  // The checkpoint has the names.
  Arguments cam = Cam("l.txt");
  cam[2] = "cls/checkpoint.safetensors";
  const ProgramResult maps = Run(cam);
  EXPECT_EQ(maps.status, 0) << maps.err;
  EXPECT_THAT(Files("out"), ::testing::ElementsAre("scene_00000_1.png", "scene_00000_4.png",
                                                   "scene_00001_1.png", "scene_00002_3.png"));
  const ProgramResult scores = Run({"eval", "--cams", "out", "--truth", "s/SegmentationClass",
                                    "--list", "l.txt", "--classes", "s/classes.txt"});
  EXPECT_EQ(scores.status, 0) << scores.err;
  EXPECT_THAT(scores.out, HasSubstr("\ntraffic light  "));
  ExpectRefusedTags("scene_00000 traffic light\n", "l.txt:1: unknown class 'traffic'");
}

TEST_F(ListsTest, TextOfOtherMachines) {
  Write("l.txt", "scene_00000 1\rscene_00001 2\r");
  EXPECT_EQ(Run(Predict("l.txt")).status, 0);
  EXPECT_THAT(Files("out"), ::testing::ElementsAre("scene_00000.png", "scene_00001.png"));
  std::filesystem::remove_all(dir_ / "out");
  std::string utf16 = "\xff\xfe";
  for (const char c : std::string("scene_00000 1\r\n")) utf16 += {c, '\0'};
  ExpectRefusedList(utf16, "l.txt: is UTF-16 text; save it as UTF-8");
  Write("s/classes.txt", utf16);
  ExpectRefused(TrainSeg(), "s/classes.txt: is UTF-16 text; save it as UTF-8");
  Write("c.toml", utf16);
  ExpectRefused({"cam", "--config", "c.toml"}, "c.toml: is UTF-16 text; save it as UTF-8");
}

TEST_F(ListsTest, TagsWithoutASingleTagImageTrainWithAWarning) {
  Write("l.txt", "scene_00000 1 2\nscene_00001 0 2\nscene_00002\n");
  const ProgramResult result = Run(TrainCls("l.txt"));
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("i2crc: warning: no image of the list has exactly one tag: the "
                                    "relation losses are 0\n"));
  EXPECT_THAT(ReadBytes(dir_ / "out/metrics.jsonl"),
              ::testing::AllOf(HasSubstr("\"intra_foreground\":0.0"), HasSubstr("\"inter\":0.0")));
  EXPECT_THAT(Files("out"), ::testing::Contains("checkpoint.safetensors"));
}

TEST_F(ListsTest, AListWithoutTagsTrainsWithAWarningAndHasNoMaps) {
  Write("l.txt", "scene_00000\nscene_00001\n");
  const ProgramResult train = Run(TrainCls("l.txt"));
  EXPECT_EQ(train.status, 0) << train.err;
  EXPECT_THAT(train.err, HasSubstr("i2crc: warning: no image of the list has a tag"));
  Arguments cam = Cam("l.txt");
  cam.back() = "maps";
  const ProgramResult maps = Run(cam);
  EXPECT_EQ(maps.status, 0) << maps.err;
  EXPECT_EQ(Files("maps").size(), 0u);
  EXPECT_THAT(maps.err, HasSubstr("cam: 0 maps of "));
}

}  // namespace
}  // namespace i2crc::testing
